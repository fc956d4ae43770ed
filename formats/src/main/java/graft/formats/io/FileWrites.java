package graft.formats.io;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;

/** Writes at a position of a file that do not stop half-way. Safe from any thread. */
public final class FileWrites {
    /** Below what a {@link ByteBuffer} can hold. */
    private static final long PART_BYTES = 1 << 30;

    private FileWrites() {}

    /** Writes all that remains in {@code bytes}, from byte {@code at} of the file. */
    public static void fully(FileChannel channel, ByteBuffer bytes, long at) throws IOException {
        long position = at;
        while (bytes.hasRemaining()) {
            position += channel.write(bytes, position);
        }
    }

    /** Writes a segment of any size, from byte {@code at} of the file. */
    public static void fully(FileChannel channel, MemorySegment bytes, long at) throws IOException {
        for (long done = 0; done < bytes.byteSize(); done += PART_BYTES) {
            long length = Math.min(PART_BYTES, bytes.byteSize() - done);
            fully(channel, bytes.asSlice(done, length).asByteBuffer(), at + done);
        }
    }
}
