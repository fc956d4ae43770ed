package graft.hub.http;

import okhttp3.Call;
import okhttp3.EventListener;

import java.io.IOException;
import java.io.InterruptedIOException;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;

/**
 * Which thread waits for which call, from the request to the end of the body: a socket does not
 * notice that the thread reading from it is interrupted, so its call is cancelled as well. Safe
 * from any thread.
 */
final class Calls extends EventListener {
    private final Map<Call, Thread> threads = new ConcurrentHashMap<>();
    private final Set<Tasks> running = ConcurrentHashMap.newKeySet();
    private volatile boolean closed;

    @Override
    public void callStart(Call call) {
        threads.put(call, Thread.currentThread());
        if (closed || Thread.currentThread().isInterrupted()) {
            call.cancel(); // that came before the call was known
        }
    }

    @Override
    public void callEnd(Call call) {
        threads.remove(call);
    }

    @Override
    public void callFailed(Call call, IOException e) {
        threads.remove(call);
    }

    /** Interrupts a thread, also where it reads from the network. */
    void interrupt(Thread thread) {
        thread.interrupt();
        threads.forEach((call, waiting) -> {
            if (waiting.equals(thread)) {
                call.cancel();
            }
        });
    }

    /** Tasks that {@link #close} ends. */
    void begin(Tasks tasks) {
        running.add(tasks);
        if (closed) {
            tasks.fail(closed());
        }
    }

    void end(Tasks tasks) {
        running.remove(tasks);
    }

    /** Ends all calls and all waiting, whoever it is. */
    void close() {
        closed = true;
        running.forEach(tasks -> tasks.fail(closed()));
        threads.keySet().forEach(Call::cancel);
    }

    boolean isClosed() {
        return closed;
    }

    static InterruptedIOException closed() {
        return new InterruptedIOException("the client was closed");
    }
}
