package graft.formats.io;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.channels.FileChannel;
import java.util.TreeMap;
import java.util.concurrent.locks.ReentrantLock;

/**
 * SHA-256 of a file that is being written in pieces, in any order, from any thread: what is written
 * without a gap from the start is hashed while it is in a cache, by whichever thread wrote last and
 * finds nobody at it, so that little is left to do when the file is complete. Thread-safe.
 */
public final class WrittenHash implements AutoCloseable {
    private final FileChannel channel;
    private final Arena arena = Arena.ofShared();
    private final ReentrantLock hashing = new ReentrantLock();
    private final Sha256.Reader reader = new Sha256.Reader(arena); // guarded by hashing
    private final TreeMap<Long, Long> beyond = new TreeMap<>(); // begin and end of pieces
    private long written; // without a gap from the start

    /**
     * @param channel of the file, readable, open until {@link #hex} returns
     */
    public WrittenHash(FileChannel channel) {
        this.channel = channel;
    }

    /** Tells that bytes {@code from} to {@code to} − 1 are written and will not change. */
    public void wrote(long from, long to) throws IOException {
        add(from, to);
        if (hashing.tryLock()) {
            try {
                while (reader.position() < written()) {
                    reader.read(channel, written());
                }
            } finally {
                hashing.unlock();
            }
        }
    }

    private synchronized void add(long from, long to) {
        beyond.merge(from, to, Math::max); // an empty piece may lie at the start of another
        while (!beyond.isEmpty() && beyond.firstKey() <= written) {
            written = Math.max(written, beyond.pollFirstEntry().getValue());
        }
    }

    private synchronized long written() {
        return written;
    }

    /** Hash of the whole file, in lower-case hex; call it once, when everything is written. */
    public String hex() throws IOException {
        hashing.lock();
        try {
            reader.read(channel, channel.size());
            return reader.end();
        } finally {
            hashing.unlock();
        }
    }

    @Override
    public void close() {
        arena.close();
    }
}
