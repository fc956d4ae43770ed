package graft.hub.cache;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.regex.Pattern;

/**
 * A file that is arriving: its bytes at their places, and behind them a journal of how much of each
 * segment is there. Survives a killed process: the journal counts bytes only after they were
 * written. (A power cut may leave counted bytes unwritten; the final hash finds that.)
 *
 * <p>Layout: {@code size} bytes of content, then magic, size, segment length, and one count per
 * segment, each a little-endian u64. The name is {@code {etag}.{8 hex}.incomplete}; the form
 * without hex digits belongs to other tools and is never touched.
 *
 * <p>Safe from any thread, one writer per segment.
 */
public final class Partial implements AutoCloseable {
    private static final long MAGIC = 0x31_4c_4e_52_4a_46_52_47L; // "GRFJRNL1"
    private static final int HEADER_BYTES = 24;
    private static final int MAX_SEGMENTS = 1 << 20;
    private static final Pattern NAME = Pattern.compile("(.+)\\.[0-9a-f]{8}\\.incomplete");

    private final Path path;
    private final FileChannel channel;
    private final long size;
    private final long segmentBytes;
    private final long[] done;

    private Partial(Path path, FileChannel channel, long size, long segmentBytes, long[] done) {
        this.path = path;
        this.channel = channel;
        this.size = size;
        this.segmentBytes = segmentBytes;
        this.done = done;
    }

    /**
     * Goes on with what a dead process left for {@code name} in {@code folder}, or begins. Only for
     * the holder of the lock of {@code name}: nobody else may be writing there.
     *
     * @param resume false to begin anew in any case
     */
    public static Partial open(
            Path folder, String name, long size, long segmentBytes, boolean resume)
            throws IOException {
        Files.createDirectories(folder);
        Partial best = null;
        for (Path left : resume ? leftovers(folder, name) : List.<Path>of()) {
            Optional<Partial> found = adopt(left, size);
            if (found.isEmpty()) {
                continue;
            }
            if (best == null || best.present() < found.get().present()) {
                discard(best);
                best = found.get();
            } else {
                found.get().discard();
            }
        }
        return best == null ? create(folder, name, size, segmentBytes) : best;
    }

    /** Bytes that {@link #open} would find for {@code name}. */
    public static long resumable(Path folder, String name, long size) throws IOException {
        long most = 0;
        for (Path left : leftovers(folder, name)) {
            Optional<Partial> found = adopt(left, size);
            if (found.isPresent()) {
                try (Partial partial = found.get()) {
                    most = Math.max(most, partial.present());
                }
            }
        }
        return most;
    }

    private static List<Path> leftovers(Path folder, String name) throws IOException {
        if (!Files.isDirectory(folder)) {
            return List.of();
        }
        List<Path> found = new ArrayList<>();
        try (var entries =
                Files.newDirectoryStream(
                        folder,
                        entry ->
                                entry.getFileName().toString().startsWith(name + ".")
                                        && isPartial(entry))) {
            entries.forEach(found::add);
        }
        return found;
    }

    /** Whether the name is that of a partial of ours, or of a tool that names them alike. */
    static boolean isPartial(Path path) {
        return NAME.matcher(path.getFileName().toString()).matches();
    }

    private static Partial create(Path folder, String name, long size, long segmentBytes)
            throws IOException {
        long segments = Math.max(1, Math.ceilDiv(size, segmentBytes));
        long length = segments > MAX_SEGMENTS ? Math.ceilDiv(size, MAX_SEGMENTS) : segmentBytes;
        int count = (int) Math.max(1, Math.ceilDiv(size, length));
        Path path = folder.resolve(name + "." + Publish.unique() + ".incomplete");
        FileChannel channel =
                FileChannel.open(
                        path,
                        StandardOpenOption.CREATE_NEW,
                        StandardOpenOption.READ,
                        StandardOpenOption.WRITE,
                        StandardOpenOption.SPARSE);
        var header = ByteBuffer.allocate(HEADER_BYTES + 8 * count).order(ByteOrder.LITTLE_ENDIAN);
        header.putLong(MAGIC).putLong(size).putLong(length).rewind();
        try {
            Publish.write(channel, header, size);
        } catch (Throwable e) {
            channel.close(); // an interrupt, or a full disk; without a journal nobody can go on
            Files.deleteIfExists(path);
            throw e;
        }
        return new Partial(path, channel, size, length, new long[count]);
    }

    /** Empty if it is not ours, or of another size, or damaged. */
    private static Optional<Partial> adopt(Path path, long size) throws IOException {
        FileChannel channel =
                FileChannel.open(path, StandardOpenOption.READ, StandardOpenOption.WRITE);
        try {
            long trailer = channel.size() - size;
            if (trailer < HEADER_BYTES + 8 || trailer > HEADER_BYTES + 8L * MAX_SEGMENTS) {
                channel.close();
                return Optional.empty();
            }
            var journal = ByteBuffer.allocate((int) trailer).order(ByteOrder.LITTLE_ENDIAN);
            while (journal.hasRemaining() && channel.read(journal, size + journal.position()) > 0) {
                // until it is whole
            }
            Optional<Partial> read = read(path, channel, size, journal.flip());
            if (read.isEmpty()) {
                channel.close();
            }
            return read;
        } catch (Throwable e) {
            channel.close();
            throw e;
        }
    }

    private static Optional<Partial> read(
            Path path, FileChannel channel, long size, ByteBuffer journal) {
        int count = (journal.remaining() - HEADER_BYTES) / 8;
        if (journal.remaining() != HEADER_BYTES + 8 * count
                || journal.getLong() != MAGIC
                || journal.getLong() != size) {
            return Optional.empty();
        }
        long segmentBytes = journal.getLong();
        if (segmentBytes < 1 || Math.max(1, Math.ceilDiv(size, segmentBytes)) != count) {
            return Optional.empty();
        }
        var partial = new Partial(path, channel, size, segmentBytes, new long[count]);
        for (int i = 0; i < count; i++) {
            partial.done[i] = journal.getLong();
            if (partial.done[i] < 0 || partial.done[i] > partial.segmentLength(i)) {
                return Optional.empty();
            }
        }
        return Optional.of(partial);
    }

    /** Segments, numbered from 0. */
    public int segments() {
        return done.length;
    }

    /** First byte of a segment. */
    public long segmentStart(int segment) {
        return segment * segmentBytes;
    }

    /** Bytes of a segment; all are equal but the last. */
    public long segmentLength(int segment) {
        return Math.min(segmentBytes, size - segment * segmentBytes);
    }

    /** Bytes of a segment that are there, from its start. */
    public synchronized long done(int segment) {
        return done[segment];
    }

    /** Bytes that are there. */
    public synchronized long present() {
        long sum = 0;
        for (long bytes : done) {
            sum += bytes;
        }
        return sum;
    }

    /** Bytes from the start of the file without a gap. */
    public synchronized long contiguous() {
        int i = 0;
        while (i < done.length && done[i] == segmentLength(i)) {
            i++;
        }
        return i == done.length ? size : segmentStart(i) + done[i];
    }

    /** Adds bytes to a segment and then counts them. */
    public void append(int segment, ByteBuffer bytes) throws IOException {
        long before = done(segment);
        int length = bytes.remaining();
        if (length > segmentLength(segment) - before) {
            throw new IllegalArgumentException("segment %d would overflow".formatted(segment));
        }
        Publish.write(channel, bytes, segmentStart(segment) + before);
        count(segment, before + length);
    }

    /** Forgets everything that is there. */
    public void restart() throws IOException {
        for (int i = 0; i < done.length; i++) {
            count(i, 0);
        }
    }

    private void count(int segment, long bytes) throws IOException {
        synchronized (this) {
            done[segment] = bytes;
        }
        var entry = ByteBuffer.allocate(8).order(ByteOrder.LITTLE_ENDIAN).putLong(0, bytes);
        Publish.write(channel, entry, size + HEADER_BYTES + 8L * segment);
    }

    /** The file, to hash what is there. */
    public FileChannel channel() {
        return channel;
    }

    /**
     * Makes the content durable, cuts the journal off and closes; the file may now be renamed, and
     * can no more be resumed. If this fails, it either can still be resumed or is deleted.
     */
    public Path finish() throws IOException {
        channel.force(true); // the long part, and an interrupt ends it: the journal is still there
        try {
            channel.truncate(size);
            channel.force(true);
            channel.close();
        } catch (Throwable e) {
            discard();
            throw e;
        }
        return path;
    }

    /** Deletes it. */
    public void discard() throws IOException {
        channel.close();
        Files.deleteIfExists(path);
    }

    private static void discard(@org.jspecify.annotations.Nullable Partial partial)
            throws IOException {
        if (partial != null) {
            partial.discard();
        }
    }

    /** Keeps the file for another run. */
    @Override
    public void close() throws IOException {
        channel.close();
    }
}
