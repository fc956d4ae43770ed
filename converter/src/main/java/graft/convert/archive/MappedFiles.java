package graft.convert.archive;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.channels.FileChannel;
import java.nio.channels.FileChannel.MapMode;
import java.nio.file.Path;

/** Files mapped for as long as this is open; safe from any thread. */
final class MappedFiles implements AutoCloseable {
    private final Arena arena;

    @SuppressWarnings("MustBeClosedChecker") // this owns the arena
    MappedFiles() {
        arena = Arena.ofShared();
    }

    MemorySegment map(Path path) throws IOException {
        try (var channel = FileChannel.open(path)) {
            long size = channel.size();
            return size == 0 ? MemorySegment.NULL : channel.map(MapMode.READ_ONLY, 0, size, arena);
        }
    }

    @Override
    public void close() {
        arena.close();
    }
}
