package graft.convert.linalg;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * Native memory of one worker: matrices that live until {@link #close}. Confined to the thread that
 * created it.
 *
 * <p>The first {@value #KEPT_BYTES} bytes come from memory that the thread keeps for the scratches
 * it makes one after another: new pages, and the JDK's way to clear them, cost more than what small
 * matrices are needed for.
 */
public final class Scratch implements AutoCloseable {
    /** A cache line; OpenBLAS's kernels like it. */
    private static final long ALIGNMENT = 64;

    private static final long KEPT_BYTES = 1 << 20;

    private static final ThreadLocal<Kept> KEPT = ThreadLocal.withInitial(Kept::new);

    /** What a thread keeps. */
    private static final class Kept {
        private final MemorySegment memory = Arena.ofAuto().allocate(KEPT_BYTES, ALIGNMENT);
        private boolean taken;
    }

    private final Arena arena;
    private final Kept kept;
    private final boolean takes; // a scratch within another one does not
    private long used;

    @SuppressWarnings("MustBeClosedChecker") // closed with this
    public Scratch() {
        this.arena = Arena.ofConfined();
        this.kept = KEPT.get();
        this.takes = !kept.taken;
        kept.taken = true;
    }

    /** Whether {@link #matrix} makes one of this size. */
    public static boolean holds(long rows, long columns) {
        return rows > 0 && columns > 0 && columns <= Integer.MAX_VALUE / 8 / rows;
    }

    /**
     * A matrix of zeros.
     *
     * @throws IllegalArgumentException if it is empty or would take 2 GiB or more
     */
    public Matrix matrix(int rows, int columns) {
        if (!holds(rows, columns)) {
            throw new IllegalArgumentException("%d×%d".formatted(rows, columns));
        }
        return new Matrix(rows, columns, zeros(8L * rows * columns));
    }

    /**
     * A float32 matrix of zeros.
     *
     * @throws IllegalArgumentException if it is empty or would take 2 GiB or more
     */
    public FloatMatrix floats(int rows, int columns) {
        if (rows < 1 || columns < 1 || 4L * rows * columns > Integer.MAX_VALUE) {
            throw new IllegalArgumentException("%d×%d".formatted(rows, columns));
        }
        return FloatMatrix.over(rows, columns, zeros(4L * rows * columns));
    }

    private MemorySegment zeros(long bytes) {
        if (!takes || bytes > KEPT_BYTES - used) {
            return arena.allocate(bytes, ALIGNMENT);
        }
        MemorySegment piece = kept.memory.asSlice(used, bytes).reinterpret(arena, null);
        used += bytes + ALIGNMENT - 1 & -ALIGNMENT;
        return piece.fill((byte) 0);
    }

    @Override
    public void close() {
        arena.close(); // refuses other threads, and a second time
        if (takes) {
            kept.taken = false;
        }
    }
}
