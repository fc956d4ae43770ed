package graft.convert.job;

import graft.formats.FileSpot;
import graft.formats.MalformedFileException;
import graft.formats.safetensors.SafetensorsReader;
import graft.formats.tensor.DType;
import graft.formats.tensor.TensorInfo;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * Labelled rows of one task, on the heap: a few hundred rows of a few dozen tokens.
 *
 * @param rows number of rows
 * @param width tokens per row, padding included
 * @param inputs per input name {@code rows × width} integers, row-major
 * @param labels one per row
 */
record EvaluationRows(int rows, int width, Map<String, long[]> inputs, long[] labels) {
    private static final ValueLayout.OfLong I64 =
            ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final String LABELS = "labels";
    private static final long MOST_NUMBERS = 1 << 26;

    static EvaluationRows read(Path file) throws IOException {
        try (var reader = SafetensorsReader.open(file)) {
            TensorInfo labels = integers(reader, LABELS, 1);
            int rows = (int) labels.shape().extent(0);
            int width = 0;
            Map<String, long[]> inputs = new LinkedHashMap<>();
            for (TensorInfo info : reader.tensors()) {
                if (!info.name().equals(LABELS)) {
                    integers(reader, info.name(), 2);
                    width = (int) info.shape().extent(1);
                    if (info.shape().extent(0) != rows) {
                        throw problem(reader, info.name(), "has not one row per label");
                    }
                    inputs.put(info.name(), numbers(reader.bytes(info.name())));
                }
            }
            for (var input : inputs.entrySet()) {
                if (input.getValue().length != (long) rows * width) {
                    throw problem(reader, input.getKey(), "has not the width of the others");
                }
            }
            return new EvaluationRows(rows, width, inputs, numbers(reader.bytes(LABELS)));
        }
    }

    private static TensorInfo integers(SafetensorsReader reader, String name, int axes)
            throws MalformedFileException {
        TensorInfo info =
                reader.find(name).orElseThrow(() -> problem(reader, name, "is not there"));
        if (info.dtype() != DType.I64
                || info.shape().rank() != axes
                || info.shape().elements() > MOST_NUMBERS) {
            throw problem(reader, name, "is not I64 with %d axes: %s".formatted(axes, info));
        }
        return info;
    }

    private static long[] numbers(MemorySegment bytes) {
        long[] values = new long[(int) (bytes.byteSize() / 8)];
        MemorySegment.copy(bytes, I64, 0, values, 0, values.length);
        return values;
    }

    private static MalformedFileException problem(
            SafetensorsReader reader, String tensor, String problem) {
        return new MalformedFileException(FileSpot.of(reader.name()).tensor(tensor), problem);
    }

    /** The rows {@code from} (inclusive) to {@code to} (exclusive) of one input. */
    long[] slice(String input, int from, int to) {
        return java.util.Arrays.copyOfRange(inputs.get(input), from * width, to * width);
    }
}
