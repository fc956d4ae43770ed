package graft.formats.delta;

import graft.formats.FileSpot;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.channels.FileChannel;
import java.nio.channels.FileChannel.MapMode;
import java.nio.file.Path;

/** One finished part, read back. Safe from any thread until {@link #close}. */
public final class DeltaPart implements AutoCloseable {
    private final Arena arena;
    private final MemorySegment bytes;
    private final Path file;
    private final SparseTensor tensor;
    private final long seed;

    private DeltaPart(Arena arena, MemorySegment bytes, Path file, SparseTensor tensor, long seed) {
        this.arena = arena;
        this.bytes = bytes;
        this.file = file;
        this.tensor = tensor;
        this.seed = seed;
    }

    /**
     * @param tensor what {@link SparseTensorWriter#finish} returned
     * @param seed of the delta it belongs to
     */
    @SuppressWarnings("MustBeClosedChecker") // the part owns the arena
    public static DeltaPart open(Path part, SparseTensor tensor, long seed) throws IOException {
        Arena arena = Arena.ofShared();
        try (var channel = FileChannel.open(part)) {
            MemorySegment bytes = channel.map(MapMode.READ_ONLY, 0, channel.size(), arena);
            return new DeltaPart(arena, bytes.asSlice(0, tensor.bytes()), part, tensor, seed);
        } catch (Throwable e) {
            arena.close();
            throw e;
        }
    }

    /** A cursor over its entries. */
    public DeltaEntries entries() {
        var spot = FileSpot.of(file).tensor(tensor.info().name());
        return new DeltaEntries(spot, tensor, bytes, seed);
    }

    @Override
    public void close() {
        arena.close();
    }
}
