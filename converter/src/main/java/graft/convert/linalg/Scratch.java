package graft.convert.linalg;

import java.lang.foreign.Arena;

/**
 * Native memory of one worker: matrices that live until {@link #close}. Confined to the thread that
 * created it.
 */
public final class Scratch implements AutoCloseable {
    /** A cache line; OpenBLAS's kernels like it. */
    private static final long ALIGNMENT = 64;

    private final Arena arena;

    @SuppressWarnings("MustBeClosedChecker") // closed with this
    public Scratch() {
        this.arena = Arena.ofConfined();
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
        return new Matrix(rows, columns, arena.allocate(8L * rows * columns, ALIGNMENT));
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
        return FloatMatrix.over(rows, columns, arena.allocate(4L * rows * columns, ALIGNMENT));
    }

    @Override
    public void close() {
        arena.close();
    }
}
