package graft.hub.http;

import graft.hub.HubEvent;
import graft.hub.HubException;
import graft.hub.HubListener;

import java.io.IOException;
import java.io.InterruptedIOException;
import java.net.SocketTimeoutException;
import java.net.UnknownHostException;
import java.nio.file.FileSystemException;
import java.time.Duration;
import java.util.Optional;

/**
 * Patience with one piece of work: five failures in a row, with full jitter below a doubling bound
 * from one to eight seconds, within a total deadline. Arriving bytes give all of it back. For one
 * thread.
 */
public final class Retries {
    private static final int MAX_FAILURES = 5;

    /** A name that does not resolve is a typing error or a machine without a network. */
    private static final int MAX_UNKNOWN_HOST = 2;

    private static final long FIRST_MILLIS = 1000;
    private static final long LONGEST_MILLIS = 8000;

    private final String what;
    private final Duration deadline;
    private final HubListener listener;
    private final Pacer pacer;
    private final Texts texts;
    private long since;
    private int failures;

    Retries(String what, Duration deadline, HubListener listener, Pacer pacer, Texts texts) {
        this.what = what;
        this.deadline = deadline;
        this.listener = listener;
        this.pacer = pacer;
        this.texts = texts;
        this.since = pacer.nanoTime();
    }

    /** Bytes arrived: start counting again. */
    public void progressed() {
        failures = 0;
        since = pacer.nanoTime();
    }

    /**
     * Waits before the next try after the network failed.
     *
     * @throws HubException.Unreachable if that was the last try
     * @throws FileSystemException if it was the disk: nothing gets better by asking again
     * @throws InterruptedIOException if the thread was interrupted: nobody wants another try
     */
    public void after(IOException failure) throws IOException {
        if (failure instanceof HubException
                || failure instanceof FileSystemException
                || (failure instanceof InterruptedIOException
                        && !(failure instanceof SocketTimeoutException))) {
            throw failure;
        }
        if (Thread.currentThread().isInterrupted()) {
            throw new InterruptedIOException("interrupted");
        }
        int most = failure instanceof UnknownHostException ? MAX_UNKNOWN_HOST : MAX_FAILURES;
        again(Optional.empty(), reason(failure), most);
    }

    /**
     * Waits before the next try after an answer that may be better next time; closes it.
     *
     * @throws HubException what the answer means, if that was the last try
     */
    public void after(Answer answer) throws IOException {
        String reason = "HTTP " + answer.status();
        Optional<Duration> named = RateLimit.waitAfter(answer);
        boolean last = failures >= MAX_FAILURES || !inTime(named.orElse(Duration.ZERO));
        if (last) {
            throw Failures.of(answer);
        }
        answer.close();
        again(named, reason, MAX_FAILURES);
    }

    /** Whether an answer with this status may be better next time. */
    public static boolean isTransient(int status) {
        return switch (status) {
            case 408, 429, 500, 502, 503, 504 -> true;
            default -> false;
        };
    }

    private void again(Optional<Duration> named, String reason, int most) throws IOException {
        Duration delay = named.orElseGet(this::jitter);
        if (failures >= most || !inTime(delay)) {
            throw new HubException.Unreachable(
                    "%s: %s (tried %d times)".formatted(what, reason, failures + 1),
                    "check the network, then run it again: what was fetched is kept");
        }
        failures++;
        listener.on(new HubEvent.Retrying(what, failures, delay, reason));
        pacer.sleep(delay);
    }

    private boolean inTime(Duration delay) {
        Duration spent = Duration.ofNanos(pacer.nanoTime() - since);
        return spent.plus(delay).compareTo(deadline) <= 0;
    }

    private Duration jitter() {
        long bound = Math.min(LONGEST_MILLIS, FIRST_MILLIS << failures);
        return Duration.ofMillis((long) (pacer.random() * bound));
    }

    private String reason(IOException failure) {
        String text = failure.getMessage();
        return switch (failure) {
            case UnknownHostException _ -> "no address for host " + texts.clean(text + "");
            case SocketTimeoutException _ -> "no answer in time";
            case javax.net.ssl.SSLException _ -> "TLS failed: " + texts.clean(text + "");
            default ->
                    text == null
                            ? "the connection failed"
                            : "the connection failed: " + texts.clean(text);
        };
    }
}
