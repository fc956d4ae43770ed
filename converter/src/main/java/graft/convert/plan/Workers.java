package graft.convert.plan;

import org.jspecify.annotations.Nullable;

import java.io.IOException;
import java.io.InterruptedIOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CancellationException;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.ThreadFactory;
import java.util.concurrent.atomic.AtomicBoolean;

/**
 * A fixed pool that runs the items of a plan. Results come back in plan order whatever order the
 * items ran in, so that sums over them do not depend on the number of threads.
 */
public final class Workers implements AutoCloseable {
    /** One item's work: reads its input, computes, perhaps writes its own part of the output. */
    @FunctionalInterface
    public interface Work<T, R> {
        R run(T item) throws IOException;
    }

    private final int threads;
    private final ExecutorService pool;

    /**
     * @param threads how many items run at once; 0 for all cores
     */
    public Workers(int threads) {
        if (threads < 0) {
            throw new IllegalArgumentException("threads: " + threads);
        }
        this.threads = threads == 0 ? Runtime.getRuntime().availableProcessors() : threads;
        ThreadFactory daemons = Thread.ofPlatform().name("graft-worker-", 0).daemon().factory();
        this.pool = Executors.newFixedThreadPool(this.threads, daemons);
    }

    /** How many items run at once. */
    public int threads() {
        return threads;
    }

    /**
     * What a ledger's {@code run} object says of work on this pool.
     *
     * @param start {@link System#nanoTime} when it began
     */
    public Map<String, Object> figuresSince(long start) {
        return Map.of("seconds", (System.nanoTime() - start) / 1e9, "threads", threads);
    }

    /**
     * Runs {@code work} on every item and returns the results in the order of {@code items}. After
     * a failure no further item is started; when those running have ended, the first failure in
     * plan order is thrown. So nothing touches the inputs any more once this returns or throws.
     *
     * @throws InterruptedIOException if the calling thread is interrupted
     */
    public <T, R> List<R> map(List<T> items, Work<T, R> work) throws IOException {
        var stopped = new AtomicBoolean();
        List<Future<R>> futures = new ArrayList<>(items.size());
        for (T item : items) {
            futures.add(pool.submit(() -> runUnless(stopped, item, work)));
        }
        List<R> results = new ArrayList<>(items.size());
        @Nullable Throwable failure = null;
        boolean interrupted = false;
        for (Future<R> future : futures) {
            while (true) {
                try {
                    results.add(future.get());
                } catch (ExecutionException e) {
                    Throwable cause = e.getCause();
                    failure = firstReal(failure, cause == null ? e : cause);
                } catch (InterruptedException e) {
                    interrupted = true;
                    stopped.set(true);
                    continue;
                }
                break;
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
            throw new InterruptedIOException("interrupted");
        }
        if (failure != null) {
            throw rethrow(failure);
        }
        return results;
    }

    private static <T, R> R runUnless(AtomicBoolean stopped, T item, Work<T, R> work)
            throws IOException {
        if (stopped.get()) {
            throw new CancellationException("an item before this one failed");
        }
        try {
            return work.run(item);
        } catch (Throwable e) {
            stopped.set(true);
            throw e;
        }
    }

    private static Throwable firstReal(@Nullable Throwable known, Throwable next) {
        return known == null || known instanceof CancellationException ? next : known;
    }

    /** What another thread failed with: returned or thrown as what it is. */
    static IOException rethrow(Throwable cause) {
        return switch (cause) {
            case IOException e -> e;
            case RuntimeException e -> throw e;
            case Error e -> throw e;
            default -> new IOException(cause);
        };
    }

    @Override
    public void close() {
        pool.close();
    }
}
