package graft.convert.plan;

import graft.convert.ledger.Ledger;

import java.io.IOException;
import java.io.InterruptedIOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;

/**
 * Ledger entries of input files, hashed on threads of their own while the work runs: of gigabytes
 * that is seconds, in which one core would do nothing. Two models at a time, so that what outlasts
 * the work keeps two cores busy. Confined to the thread that made it.
 */
public final class InputHashes implements AutoCloseable {
    private static final int AT_ONCE = 2;

    private final ExecutorService threads =
            Executors.newFixedThreadPool(
                    AT_ONCE, Thread.ofPlatform().name("graft-hash-", 0).daemon().factory());
    private final List<Future<List<Ledger.Input>>> parts = new ArrayList<>();

    /** Begins to hash; see {@link Inputs#of}. */
    public void add(String role, String source, List<Path> files) {
        parts.add(threads.submit(() -> Inputs.of(role, source, files)));
    }

    /**
     * All entries in the order of {@link #add}; waits for them.
     *
     * @throws IOException if a file cannot be read
     */
    public List<Ledger.Input> get() throws IOException {
        List<Ledger.Input> inputs = new ArrayList<>();
        for (Future<List<Ledger.Input>> part : parts) {
            inputs.addAll(await(part));
        }
        return inputs;
    }

    private static <T> T await(Future<T> future) throws IOException {
        try {
            return future.get();
        } catch (ExecutionException e) {
            Throwable cause = e.getCause();
            throw Workers.rethrow(cause == null ? e : cause);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new InterruptedIOException("interrupted");
        }
    }

    /** Starts no further file; one that is being read is read to its end. */
    @Override
    public void close() {
        threads.shutdownNow();
    }
}
