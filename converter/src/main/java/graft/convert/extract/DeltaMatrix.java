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

    /** Sees rows of Δ. */
    @FunctionalInterface
    interface Visitor {
        /**
         * @param tile rows of Δ, all filled
         * @param first row of Δ at which it begins
         */
        void visit(FloatMatrix tile, int first) throws IOException;
    }

    private final TensorPair pair;
    private final MemorySegment base;
    private final MemorySegment model;
    private final int rows;
    private final int columns;
    private final @Nullable FloatMatrix held;
    private final FloatMatrix tile;
    private final float[] from;
    private final float[] to;
    private double norm2;

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
        this.from = new float[columns];
        this.to = new float[columns];
        this.tile = scratch.floats(tileRows(), columns);
        this.held = isHeld(pair) ? memory.matrix(rows, columns) : null;
        for (int first = 0; first < rows; first += tileRows()) {
            int count = Math.min(tileRows(), rows - first);
            norm2 += read(first, held == null ? tile.rows(0, count) : held.rows(first, count));
        }
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
     * The rows from {@code first} on that {@code into} has room for; returns their squared norm.
     */
    private double read(int first, FloatMatrix into) {
        double sum = 0;
        for (int i = 0; i < into.rows(); i++) {
            long at = (long) (first + i) * columns;
            Elements.widen(pair.base().dtype(), base, at, from, 0, columns);
            Elements.widen(pair.model().dtype(), model, at, to, 0, columns);
            double square = 0;
            for (int j = 0; j < columns; j++) {
                float difference = to[j] - from[j];
                to[j] = difference;
                square += (double) difference * difference;
            }
            into.values().put(i * columns, to);
            sum += square;
        }
        return sum;
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

    /** Visits all rows, tile by tile. */
    void walk(Visitor visitor) throws IOException {
        for (int first = 0; first < rows; first += tileRows()) {
            int count = Math.min(tileRows(), rows - first);
            if (held != null) {
                visitor.visit(held.rows(first, count), first);
            } else {
                FloatMatrix part = tile.rows(0, count);
                read(first, part);
                visitor.visit(part, first);
            }
        }
    }
}
