package graft.convert.export;

import graft.formats.tensor.DType;
import graft.formats.tensor.Elements;
import graft.formats.tensor.Shape;
import graft.formats.tensor.TensorInfo;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * The bytes an initializer gets, in native memory: one tensor at a time, as large as the largest
 * changed one.
 */
final class Materialised {
    private static final int TILE = 1 << 15;
    private static final int BAND = 64;

    private Materialised() {}

    /**
     * @param original the initializer's bytes in the graph, over which a scatter is laid
     */
    static MemorySegment of(ExportPlan.Target target, MemorySegment original, Arena arena)
            throws IOException {
        TensorInfo after = target.after();
        boolean transposed = target.transform() == Binding.Transform.TRANSPOSE;
        MemorySegment bytes =
                arena.allocate(Math.max(1, after.bytes()), 64).asSlice(0, after.bytes());
        switch (target.change()) {
            case TensorChange.Replace replace -> {
                if (transposed) {
                    transpose(replace, after, bytes);
                } else {
                    copy(replace, after, bytes);
                }
            }
            case TensorChange.Scatter scatter -> {
                MemorySegment.copy(original, 0, bytes, 0, original.byteSize());
                long columns = transposed ? after.shape().extent(0) : 0;
                scatter(scatter, after, columns, bytes);
            }
        }
        return bytes;
    }

    private static void copy(TensorChange.Replace replace, TensorInfo after, MemorySegment bytes)
            throws IOException {
        long elements = after.shape().elements();
        float[] values = new float[(int) Math.clamp(elements, 1, TILE)];
        for (long first = 0; first < elements; first += values.length) {
            int count = (int) Math.min(values.length, elements - first);
            replace.values().read(first, values, count);
            Elements.narrow(after.dtype(), values, 0, bytes, first, count);
        }
    }

    /**
     * Band by band: each element is read once, and written in runs as long as the matrix is tall.
     */
    private static void transpose(
            TensorChange.Replace replace, TensorInfo after, MemorySegment bytes)
            throws IOException {
        Shape shape = replace.info().shape();
        int rows = Math.toIntExact(shape.extent(0));
        int columns = Math.toIntExact(shape.extent(1));
        float[] slice = new float[BAND];
        float[][] band = new float[BAND][rows];
        for (int first = 0; first < columns; first += BAND) {
            int count = Math.min(BAND, columns - first);
            for (int i = 0; i < rows; i++) {
                replace.values().read((long) i * columns + first, slice, count);
                for (int j = 0; j < count; j++) {
                    band[j][i] = slice[j];
                }
            }
            for (int j = 0; j < count; j++) {
                Elements.narrow(after.dtype(), band[j], 0, bytes, (long) (first + j) * rows, rows);
            }
        }
    }

    /**
     * @param columns of the tensor if the initializer is its transpose, otherwise 0
     */
    private static void scatter(
            TensorChange.Scatter scatter, TensorInfo after, long columns, MemorySegment bytes)
            throws IOException {
        DType type = after.dtype();
        long rows = columns == 0 ? 0 : after.shape().elements() / columns;
        float[] one = new float[1];
        scatter.entries()
                .walk((index, value) -> {
                    one[0] = value;
                    long at = columns == 0 ? index : index % columns * rows + index / columns;
                    Elements.narrow(type, one, 0, bytes, at, 1);
                });
    }
}
