package graft.convert.plan;

import graft.convert.ledger.Ledger;
import graft.formats.io.Sha256;

import java.io.IOException;
import java.io.InterruptedIOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;

/**
 * Ledger entries of input files, hashed on a thread of their own while the work runs: of gigabytes
 * that is seconds, in which one core would do nothing. Confined to the thread that made it.
 */
public final class InputHashes implements AutoCloseable {
    private final ExecutorService thread =
            Executors.newSingleThreadExecutor(
                    Thread.ofPlatform().name("graft-hash").daemon().factory());
    private final List<Future<List<Ledger.Input>>> parts = new ArrayList<>();
    private final Map<Path, Future<String>> written = new HashMap<>();

    /** Begins to hash; see {@link Inputs#of}. */
    public void add(String role, String source, List<Path> files) {
        parts.add(thread.submit(() -> Inputs.of(role, source, files)));
    }

    /** Begins to hash files that are written and stay as they are; see {@link #written}. */
    public void addWritten(List<Path> files) {
        for (Path file : files) {
            written.put(file, thread.submit(() -> Sha256.of(file)));
        }
    }

    /**
     * Hashes of the files that were written; waits for them.
     *
     * @throws IOException if a file cannot be read
     */
    public Map<Path, String> written() throws IOException {
        Map<Path, String> hashes = new HashMap<>();
        for (Map.Entry<Path, Future<String>> file : written.entrySet()) {
            hashes.put(file.getKey(), await(file.getValue()));
        }
        return hashes;
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
        thread.shutdownNow();
    }
}
