package graft.formats.io;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;

/** SHA-256 of files and segments, in constant memory, as lower-case hex. */
public final class Sha256 {
    /** Stays in the second cache between being read and being hashed. */
    private static final int CHUNK_BYTES = 1 << 17;

    /** Reads into a buffer off the boundary of a page are several times slower. */
    private static final int PAGE_BYTES = 4096;

    /**
     * The processor's instructions for SHA-256 serve whole pieces, not one chunk at a time, when
     * the method that takes a piece has been compiled: so it is called often.
     */
    private static final int PIECE_BYTES = 4096;

    private Sha256() {}

    /** Hash of a whole file. */
    public static String of(Path file) throws IOException {
        try (Arena arena = Arena.ofConfined();
                var channel = FileChannel.open(file)) {
            var reader = new Reader(arena);
            reader.read(channel, Long.MAX_VALUE);
            return reader.end();
        }
    }

    /** Hashes a file from its start, part by part. Not thread-safe. */
    static final class Reader {
        private final MessageDigest digest = Sha256.digest();
        private final byte[] bytes = new byte[CHUNK_BYTES];
        private final ByteBuffer chunk;
        private long position;

        Reader(Arena arena) {
            this.chunk = arena.allocate(CHUNK_BYTES, PAGE_BYTES).asByteBuffer();
        }

        /** Up to which byte the file is hashed. */
        long position() {
            return position;
        }

        /** Goes on to byte {@code end}, or to the end of the file if that comes first. */
        void read(FileChannel channel, long end) throws IOException {
            while (position < end) {
                chunk.clear().limit((int) Math.min(CHUNK_BYTES, end - position));
                int length = channel.read(chunk, position);
                if (length < 0) {
                    return;
                }
                chunk.flip().get(bytes, 0, length);
                digest.update(bytes, 0, length);
                position += length;
            }
        }

        /** The hash of what was read. */
        String end() {
            return hex(digest);
        }
    }

    /** Hash of the bytes of a segment of any size. */
    public static String of(MemorySegment bytes) {
        var running = new Running();
        running.add(bytes);
        return running.end();
    }

    /** A hash of bytes that come one after the other. One use, one thread. */
    public static final class Running {
        private final MessageDigest digest = digest();
        private byte[] chunk = {};

        /** The next bytes. */
        public void add(MemorySegment bytes) {
            int most = (int) Math.min(CHUNK_BYTES, bytes.byteSize());
            if (chunk.length < most) {
                chunk = new byte[most];
            }
            for (long at = 0; at < bytes.byteSize(); at += chunk.length) {
                int length = (int) Math.min(chunk.length, bytes.byteSize() - at);
                MemorySegment.copy(bytes, at, MemorySegment.ofArray(chunk), 0, length);
                digest.update(chunk, 0, length);
            }
        }

        /** The next {@code count} bytes. */
        public void add(byte[] bytes, int count) {
            for (int at = 0; at < count; at += PIECE_BYTES) {
                digest.update(bytes, at, Math.min(PIECE_BYTES, count - at));
            }
        }

        /** The hash, after the last. */
        public String end() {
            return hex(digest);
        }
    }

    private static String hex(MessageDigest digest) {
        return HexFormat.of().formatHex(digest.digest());
    }

    private static MessageDigest digest() {
        try {
            return MessageDigest.getInstance("SHA-256");
        } catch (NoSuchAlgorithmException e) {
            throw new AssertionError("every Java platform has SHA-256", e);
        }
    }
}
