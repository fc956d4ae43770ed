package graft.convert.apply;

import graft.convert.ConversionException;
import graft.convert.ledger.TensorRecord;
import graft.formats.FileSpot;
import graft.formats.tensor.DType;
import graft.formats.tensor.Elements;
import graft.formats.tensor.TensorInfo;
import graft.formats.tensor.TensorSink;

import org.jspecify.annotations.Nullable;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.List;
import java.util.Map;

/**
 * How one tensor of the merged checkpoint is made.
 *
 * @param out what is written; its type is the base's, its shape may differ if it was replaced
 * @param source type of what it starts from: the base's tensor, or one that the adapter holds whole
 * @param bytes of that, in the shape of {@code out}
 * @param treatment word for the ledger
 * @param columns length of the rows that the steps see: a divisor of the elements
 * @param steps what is done to it, in order
 * @param magnitudes DoRA where an output is a column, done last: m ⊙ V / ‖V‖ of each column; or
 *     null
 */
record MergedTensor(
        TensorInfo out,
        DType source,
        MemorySegment bytes,
        String treatment,
        int columns,
        List<Step> steps,
        float @Nullable [] magnitudes) {
    /** A megabyte of float32; larger measured no faster. */
    private static final int TILE = 1 << 18;

    private static final int MOST_ROWS = 256;

    MergedTensor {
        steps = List.copyOf(steps);
    }

    static MergedTensor carried(TensorInfo info, MemorySegment bytes) {
        return new MergedTensor(info, info.dtype(), bytes, "carried", 0, List.of(), null);
    }

    /** The matrix that a weight is to its layer: all axes but the first are columns. */
    static int columnsOf(TensorInfo info) {
        return Math.toIntExact(
                info.shape().rank() < 2
                        ? info.shape().elements()
                        : info.shape().elements() / Math.max(1, info.shape().extent(0)));
    }

    /** What a ledger says of it. */
    TensorRecord record() {
        return TensorRecord.of(out, treatment, out.bytes(), Map.of());
    }

    boolean isCarried() {
        return treatment.equals("carried");
    }

    int rows() {
        return columns == 0 ? 0 : Math.toIntExact(out.shape().elements() / columns);
    }

    /** Makes the tensor and writes it. */
    void write(TensorSink sink) throws IOException {
        if (isCarried()) {
            sink.write(out.name(), 0, bytes);
            return;
        }
        int rows = rows();
        int most = Math.clamp(TILE / Math.max(1, columns), 1, Math.clamp(rows, 1, MOST_ROWS));
        float[] tile = new float[Math.multiplyExact(most, columns)];
        float[] scratch = steps.isEmpty() ? tile : new float[tile.length];
        float @Nullable [] factors = magnitudes == null ? null : factors(tile, scratch, most);
        try (Arena arena = Arena.ofConfined()) {
            DType type = out.dtype();
            MemorySegment written = arena.allocate((long) tile.length * type.bytes(), 64);
            for (int row = 0; row < rows; row += most) {
                int count = Math.min(most, rows - row);
                read(row, count, tile, scratch);
                if (factors != null) {
                    new Step.ScaleColumns(factors, 1).apply(row, count, columns, tile, scratch);
                }
                checkFinite(tile, count * columns, (long) row * columns);
                Elements.narrow(type, tile, 0, written, 0, count * columns);
                sink.write(
                        out.name(),
                        (long) row * columns * type.bytes(),
                        written.asSlice(0, (long) count * columns * type.bytes()));
            }
        }
    }

    private void read(int row, int count, float[] tile, float[] scratch) {
        Elements.widen(source, bytes, (long) row * columns, tile, 0, count * columns);
        for (Step step : steps) {
            step.apply(row, count, columns, tile, scratch);
        }
    }

    /** m / ‖V‖ of every column: a pass of its own, since a column crosses all tiles. */
    private float[] factors(float[] tile, float[] scratch, int most) {
        double[] sums = new double[columns];
        for (int row = 0; row < rows(); row += most) {
            int count = Math.min(most, rows() - row);
            read(row, count, tile, scratch);
            for (int i = 0; i < count * columns; i++) {
                sums[i % columns] += (double) tile[i] * tile[i];
            }
        }
        float[] factors = Arrays.copyOf(magnitudes == null ? new float[0] : magnitudes, columns);
        for (int j = 0; j < columns; j++) {
            factors[j] /= (float) Math.sqrt(sums[j]);
        }
        return factors;
    }

    private void checkFinite(float[] tile, int count, long first)
            throws ConversionException.UnusableValues {
        for (int i = 0; i < count; i++) {
            if (!Float.isFinite(Elements.round(out.dtype(), tile[i]))) {
                throw new ConversionException.UnusableValues(
                        "tensor %s: element %d of the merged model would be %s"
                                .formatted(FileSpot.quote(out.name()), first + i, tile[i]),
                        "the adapter or the base holds NaN or infinity there, or the base's type is too small;"
                                + " get them again");
            }
        }
    }
}
