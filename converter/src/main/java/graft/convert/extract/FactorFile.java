package graft.convert.extract;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.channels.FileChannel;
import java.nio.channels.FileChannel.MapMode;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;

/**
 * Factors between the pass that finds them and the one that writes them, mapped from a scratch
 * file: ranks, and so the layout of the adapter, are known only when all are found. Safe from any
 * thread; closing deletes the file.
 */
final class FactorFile implements AutoCloseable {
    private static final long PAGE = 4096;

    private final Path path;
    private final FileChannel channel;
    private final Arena arena;
    private long end;

    @SuppressWarnings("MustBeClosedChecker") // closed with this
    FactorFile(Path path) throws IOException {
        this.path = path;
        this.channel =
                FileChannel.open(
                        path,
                        StandardOpenOption.CREATE_NEW,
                        StandardOpenOption.READ,
                        StandardOpenOption.WRITE);
        this.arena = Arena.ofShared();
    }

    /** Zeros. */
    synchronized MemorySegment allocate(long bytes) throws IOException {
        MemorySegment segment = channel.map(MapMode.READ_WRITE, end, bytes, arena);
        end += (bytes + PAGE - 1) / PAGE * PAGE;
        return segment;
    }

    /** May be called again. */
    @Override
    public void close() throws IOException {
        if (channel.isOpen()) {
            arena.close();
            channel.close();
            Files.delete(path);
        }
    }
}
