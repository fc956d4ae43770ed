package graft.convert.merge;

import graft.convert.ConversionException;
import graft.convert.linalg.Matrix;
import graft.convert.plan.TensorPair;
import graft.formats.FileSpot;
import graft.formats.tensor.DType;
import graft.formats.tensor.Elements;
import graft.formats.tensor.TensorSink;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.DoubleBuffer;
import java.util.List;

/**
 * A matrix of all fine-tunes as float64 panels of rows, or of the rows of its transpose, and the
 * way back: merged panels plus base, rounded once. One thread; closing it ends its memory.
 */
final class Panels implements AutoCloseable {
    private final MergeItem item;
    private final boolean transposed;
    private final int rows;
    private final int columns;
    private final MemorySegment baseBytes;
    private final List<MemorySegment> modelBytes;
    private final float[] base;
    private final float[] model;
    private final Arena arena = Arena.ofConfined();
    private final MemorySegment out;

    /**
     * @param transposed whether panels are rows of the transpose
     * @param most rows of a panel
     */
    @SuppressWarnings("MustBeClosedChecker") // the arena is closed with this
    Panels(MergeItem item, boolean transposed, int most) {
        long[] extents = item.info().shape().toArray();
        this.item = item;
        this.transposed = transposed;
        this.rows = Math.toIntExact(extents[transposed ? 1 : 0]);
        this.columns = Math.toIntExact(extents[transposed ? 0 : 1]);
        this.baseBytes = item.pairs().getFirst().baseBytes();
        this.modelBytes = item.pairs().stream().map(TensorPair::modelBytes).toList();
        int line = transposed ? Math.min(most, rows) : columns;
        this.base = new float[line];
        this.model = new float[line];
        // columns of a row-major tensor do not lie together: the whole of it, written at the end
        long elements = transposed ? (long) rows * columns : (long) Math.min(most, rows) * columns;
        this.out = arena.allocate(Math.max(1, elements * item.out().dtype().bytes()), 64);
    }

    /** Rows of the matrix, or of its transpose. */
    int rows() {
        return rows;
    }

    /** Columns of a panel. */
    int columns() {
        return columns;
    }

    /**
     * v of fine-tune {@code m}, rows {@code first} to {@code first + count − 1}.
     *
     * @throws ConversionException.UnusableValues at the first NaN or infinity
     */
    void load(int m, int first, int count, Matrix panel) throws ConversionException {
        DoubleBuffer into = panel.values();
        TensorPair pair = item.pairs().get(m);
        int lines = transposed ? columns : count;
        int length = transposed ? count : columns;
        for (int line = 0; line < lines; line++) {
            long at = at(first, line);
            Elements.widen(item.info().dtype(), baseBytes, at, base, 0, length);
            Elements.widen(pair.model().dtype(), modelBytes.get(m), at, model, 0, length);
            for (int i = 0; i < length; i++) {
                float v = model[i] - base[i];
                if (!Float.isFinite(v)) {
                    throw notFinite(at + i);
                }
                into.put(transposed ? i * columns + line : line * columns + i, v);
            }
        }
    }

    private long at(int first, int line) {
        return transposed ? (long) line * rows + first : (long) (first + line) * columns;
    }

    /** Adds the base to a panel of the merged task vector, and writes it. */
    void store(int first, int count, Matrix panel, TensorSink sink) throws IOException {
        DoubleBuffer merged = panel.values();
        DType type = item.out().dtype();
        int lines = transposed ? columns : count;
        int length = transposed ? count : columns;
        for (int line = 0; line < lines; line++) {
            long at = at(first, line);
            Elements.widen(item.info().dtype(), baseBytes, at, base, 0, length);
            for (int i = 0; i < length; i++) {
                double v = merged.get(transposed ? i * columns + line : line * columns + i);
                base[i] = (float) (base[i] + v);
                if (!Float.isFinite(Elements.round(type, base[i]))) {
                    throw notFinite(at + i);
                }
            }
            long to = transposed ? at : (long) line * columns;
            Elements.narrow(type, base, 0, out, to, length);
        }
        if (!transposed) {
            long bytes = (long) count * columns * type.bytes();
            sink.write(
                    item.info().name(),
                    (long) first * columns * type.bytes(),
                    out.asSlice(0, bytes));
        } else if (first + count == rows) {
            sink.write(item.info().name(), 0, out.asSlice(0, item.out().bytes()));
        }
    }

    private ConversionException notFinite(long element) {
        return new ConversionException.UnusableValues(
                "tensor %s: element %d is or would become NaN or infinite"
                        .formatted(FileSpot.quote(item.info().name()), element),
                "a fine-tune holds NaN or infinity there; get it again or leave it out");
    }

    @Override
    public void close() {
        arena.close();
    }
}
