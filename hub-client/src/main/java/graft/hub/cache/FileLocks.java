package graft.hub.cache;

import org.jspecify.annotations.Nullable;

import java.io.IOException;
import java.io.InterruptedIOException;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.locks.ReentrantLock;

/**
 * Locks by file, first within this process, then between processes of Graft. They save fetching
 * something twice and say who may go on with a partial; nothing else rests on them, since other
 * tools lock in a way that Java cannot see (flock and fcntl do not exclude each other on Linux).
 */
public final class FileLocks {
    private static final long LONGEST_MILLIS = 500;

    private final Map<Path, Entry> entries = new HashMap<>();

    private static final class Entry {
        final ReentrantLock lock = new ReentrantLock();
        int users;
    }

    /** A lock that is held. */
    public final class Held implements AutoCloseable {
        private final Path path;
        private final Entry entry;
        private final @Nullable FileChannel channel;

        private Held(Path path, Entry entry, @Nullable FileChannel channel) {
            this.path = path;
            this.entry = entry;
            this.channel = channel;
        }

        /** Whether other processes are kept out, too; a read-only or odd file system cannot. */
        public boolean excludesProcesses() {
            return channel != null;
        }

        @Override
        public void close() throws IOException {
            try {
                if (channel != null) {
                    channel.close(); // and with it the lock; the file stays for the next one
                }
            } finally {
                leave(path, entry);
            }
        }
    }

    /**
     * Waits for the lock of {@code path}.
     *
     * @throws InterruptedIOException if interrupted while waiting
     */
    public Held lock(Path path) throws IOException {
        Entry entry = enter(path);
        try {
            entry.lock.lockInterruptibly();
        } catch (InterruptedException e) {
            forget(path, entry);
            throw interrupted();
        }
        try {
            return new Held(path, entry, lockFile(path));
        } catch (Throwable e) {
            leave(path, entry);
            throw e;
        }
    }

    private static @Nullable FileChannel lockFile(Path path) throws InterruptedIOException {
        FileChannel channel = null;
        try {
            Files.createDirectories(path.getParent());
            channel = FileChannel.open(path, StandardOpenOption.CREATE, StandardOpenOption.WRITE);
            waitFor(channel);
            return channel;
        } catch (InterruptedIOException e) {
            close(channel);
            throw e;
        } catch (IOException e) {
            close(channel);
            return null; // read-only, or no locks on this file system
        }
    }

    /** By asking again: a blocked lock call would hold on to its carrier thread. */
    private static void waitFor(FileChannel channel) throws IOException {
        long delay = 5;
        while (true) {
            @Nullable FileLock lock = channel.tryLock();
            if (lock != null) {
                return;
            }
            try {
                Thread.sleep(delay);
            } catch (InterruptedException e) {
                throw interrupted();
            }
            delay = Math.min(LONGEST_MILLIS, 2 * delay);
        }
    }

    private static InterruptedIOException interrupted() {
        Thread.currentThread().interrupt();
        return new InterruptedIOException("interrupted while waiting for a lock");
    }

    private static void close(@Nullable FileChannel channel) {
        if (channel != null) {
            try {
                channel.close();
            } catch (IOException e) {
                // it was only opened for the lock
            }
        }
    }

    private Entry enter(Path path) {
        synchronized (entries) {
            Entry entry = entries.computeIfAbsent(path, p -> new Entry());
            entry.users++;
            return entry;
        }
    }

    private void leave(Path path, Entry entry) {
        entry.lock.unlock();
        forget(path, entry);
    }

    private void forget(Path path, Entry entry) {
        synchronized (entries) {
            if (--entry.users == 0) {
                entries.remove(path);
            }
        }
    }
}
