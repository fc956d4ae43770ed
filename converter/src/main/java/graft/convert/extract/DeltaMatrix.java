package graft.convert.extract;

import graft.convert.linalg.FloatMatrix;
import graft.convert.linalg.FloatPool;
import graft.convert.linalg.Scratch;
import graft.convert.plan.TensorPair;
import graft.formats.tensor.Elements;

import org.jspecify.annotations.Nullable;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.util.List;

/**
 * Δ = fine-tune − base of one tensor as a matrix: its first axis are rows, all others columns.
 * Differences are taken in float32.
 *
 * <p>Up to {@link #MOST_HELD_BYTES} it is kept in native memory between passes; what is larger is
 * read again from the mapped files each time. Confined to one thread; lives as long as its scratch.
 */
final class DeltaMatrix {
    /** Native memory for one Δ. */
    private static final long MOST_HELD_BYTES = 256 << 20;

    /** 1 MiB of float32: both products of a tile find it in a core's cache. */
    private static final int TILE_ELEMENTS = 1 << 18;

    /** Up to so many multiplications OpenBLAS reads a matrix where it is instead of packing it. */
    private static final int MOST_UNPACKED = 1_000_000;

    /** Tiles of fewer rows are not worth a call. */
    private static final int FEWEST_ROWS = 8;

    /** Elements that are subtracted at once, in arrays. */
    private static final int CHUNK = 1 << 13;

    /** Sees rows of Δ. */
    @FunctionalInterface
    interface Visitor {
        /**
         * @param tile rows of Δ, all filled
         * @param first row of Δ at which it begins
         */
        void visit(FloatMatrix tile, int first) throws IOException;
    }

    private static final double[] NO_SQUARES = {};

    private final TensorPair pair;
    private final MemorySegment base;
    private final MemorySegment model;
    private final int rows;
    private final int columns;
    private final @Nullable FloatMatrix held;
    private final FloatMatrix tile;
    private final float[] from;
    private final float[] to;
    private final int chunkRows;
    private final double norm2;

    /**
     * Reads it once: to hold it, and to know its norm.
     *
     * @param memory for as many elements as {@link #heldElements} says
     */
    DeltaMatrix(TensorPair pair, FloatPool.Loan memory, Scratch scratch) throws IOException {
        this.pair = pair;
        this.base = pair.baseBytes();
        this.model = pair.modelBytes();
        this.rows = Math.toIntExact(pair.model().shape().extent(0));
        this.columns = Math.toIntExact(pair.elements() / rows);
        this.chunkRows = Math.clamp(CHUNK / columns, 1, rows);
        this.from = new float[chunkRows * columns];
        this.to = new float[chunkRows * columns];
        this.tile = scratch.floats(tileRows(), columns);
        this.held = isHeld(pair) ? memory.matrix(rows, columns) : null;
        double[] squares = new double[to.length];
        for (int first = 0; first < rows; first += tileRows()) {
            int count = Math.min(tileRows(), rows - first);
            read(first, held == null ? tile.rows(0, count) : held.rows(first, count), squares);
        }
        double sum = 0;
        for (double square : squares) {
            sum += square;
        }
        this.norm2 = sum;
    }

    private static boolean isHeld(TensorPair pair) {
        return 4 * pair.elements() <= MOST_HELD_BYTES;
    }

    /** Most elements that any of these is kept with. */
    static long heldElements(List<TensorPair> pairs) {
        return pairs.stream()
                .filter(DeltaMatrix::isHeld)
                .mapToLong(TensorPair::elements)
                .max()
                .orElse(0);
    }

    /** Most rows that a tile has. */
    int tileRows() {
        return Math.clamp(TILE_ELEMENTS / columns, 1, rows);
    }

    /**
     * The rows from {@code first} on that {@code into} has room for.
     *
     * @param squares where squares are added up, each place of a chunk by itself: so the loop
     *     vectorises
     */
    private void read(int first, FloatMatrix into, double[] squares) {
        for (int row = 0; row < into.rows(); row += chunkRows) {
            int count = Math.min(chunkRows, into.rows() - row) * columns;
            long at = (long) (first + row) * columns;
            Elements.widen(pair.base().dtype(), base, at, from, 0, count);
            Elements.widen(pair.model().dtype(), model, at, to, 0, count);
            subtract(to, from, count);
            addSquares(squares, to, Math.min(count, squares.length));
            into.values().put(row * columns, to, 0, count);
        }
    }

    private static void subtract(float[] from, float[] what, int count) {
        for (int i = 0; i < count; i++) {
            from[i] -= what[i];
        }
    }

    private static void addSquares(double[] sums, float[] of, int count) {
        for (int i = 0; i < count; i++) {
            double value = of[i];
            sums[i] += value * value;
        }
    }

    int rows() {
        return rows;
    }

    int columns() {
        return columns;
    }

    /** ‖Δ‖². */
    double norm2() {
        return norm2;
    }

    /** Visits all rows, in tiles of {@link #tileRows}. */
    void walk(Visitor visitor) throws IOException {
        walkBy(tileRows(), visitor);
    }

    /**
     * Visits all rows, in tiles that are quickly multiplied by a matrix with {@code directions}
     * rows.
     */
    void walk(int directions, Visitor visitor) throws IOException {
        int unpacked = (int) (MOST_UNPACKED / ((long) directions * columns));
        walkBy(unpacked < FEWEST_ROWS ? tileRows() : Math.min(unpacked, tileRows()), visitor);
    }

    private void walkBy(int most, Visitor visitor) throws IOException {
        for (int first = 0; first < rows; first += most) {
            int count = Math.min(most, rows - first);
            if (held != null) {
                visitor.visit(held.rows(first, count), first);
            } else {
                FloatMatrix part = tile.rows(0, count);
                read(first, part, NO_SQUARES);
                visitor.visit(part, first);
            }
        }
    }
}
