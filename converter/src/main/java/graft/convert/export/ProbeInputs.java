package graft.convert.export;

import ai.onnxruntime.OnnxJavaType;
import ai.onnxruntime.OnnxTensor;
import ai.onnxruntime.OrtEnvironment;
import ai.onnxruntime.OrtException;
import ai.onnxruntime.TensorInfo;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.HashMap;
import java.util.Locale;
import java.util.Map;
import java.util.Random;

/**
 * Made-up inputs for any graph, by the names and types of its inputs: ids are small, which every
 * vocabulary has; masks have padding at the end; positions count; pictures and sounds are noise;
 * there is no past. Same arguments, same inputs.
 */
final class ProbeInputs {
    private static final long SEED = 17;
    private static final int IDS = 2;

    private final int batch;
    private final int length;
    private final Map<String, Integer> sizes;

    /**
     * @param length of sequences
     * @param sizes of extents that only the model's configuration tells, such as {@code height}
     */
    ProbeInputs(int batch, int length, Map<String, Integer> sizes) {
        this.batch = batch;
        this.length = length;
        this.sizes = sizes;
    }

    /** Tensors to close. */
    Map<String, OnnxTensor> of(Map<String, TensorInfo> inputs) throws IOException {
        var random = new Random(SEED);
        Map<String, OnnxTensor> tensors = new HashMap<>();
        try {
            for (var entry : inputs.entrySet()) {
                tensors.put(entry.getKey(), tensor(entry.getKey(), entry.getValue(), random));
            }
            return tensors;
        } catch (OrtException e) {
            tensors.values().forEach(OnnxTensor::close);
            throw new IOException("cannot make inputs: " + e.getMessage(), e);
        }
    }

    private OnnxTensor tensor(String name, TensorInfo info, Random random) throws OrtException {
        long[] dims = info.getShape();
        String[] names = info.getDimensionNames();
        long elements = 1;
        for (int axis = 0; axis < dims.length; axis++) {
            dims[axis] = dims[axis] >= 0 ? dims[axis] : extent(names[axis], axis);
            elements = Math.multiplyExact(elements, dims[axis]);
        }
        long width = dims.length == 0 ? 1 : dims[dims.length - 1];
        var values =
                ByteBuffer.allocateDirect(Math.toIntExact(elements * info.type.size))
                        .order(ByteOrder.nativeOrder());
        for (long i = 0; i < elements; i++) {
            put(values, info.type, value(name, width, i, random));
        }
        return OnnxTensor.createTensor(
                OrtEnvironment.getEnvironment(), values.flip(), dims, info.type);
    }

    /** Free extents have names such as {@code batch}, {@code past_sequence_length + 1}. */
    private long extent(String name, int axis) {
        String plain = name.toLowerCase(Locale.ROOT);
        if (plain.contains("+")) {
            long sum = 0;
            for (String term : plain.split("\\+", -1)) {
                String part = term.strip();
                sum += part.matches("\\d+") ? Long.parseLong(part) : extent(part, axis);
            }
            return sum;
        }
        if (plain.contains("past")) {
            return 0;
        }
        for (var size : sizes.entrySet()) {
            if (plain.contains(size.getKey())) {
                return size.getValue();
            }
        }
        return plain.contains("batch") || axis == 0 ? batch : length;
    }

    private double value(String name, long width, long index, Random random) {
        long row = width == 0 ? 0 : index / width;
        long column = width == 0 ? 0 : index % width;
        if (name.contains("mask")) {
            return column >= Math.max(1, width - row) ? 0 : 1;
        }
        if (name.contains("position")) {
            return column;
        }
        return name.contains("ids") ? random.nextInt(IDS) : random.nextGaussian();
    }

    private static void put(ByteBuffer into, OnnxJavaType type, double value) {
        switch (type) {
            case FLOAT -> into.putFloat((float) value);
            case DOUBLE -> into.putDouble(value);
            case FLOAT16 -> into.putShort(Float.floatToFloat16((float) value));
            case BFLOAT16 -> into.putShort((short) (Float.floatToRawIntBits((float) value) >>> 16));
            case INT64 -> into.putLong((long) value);
            case INT32 -> into.putInt((int) value);
            case INT16 -> into.putShort((short) value);
            case INT8, UINT8, BOOL -> into.put((byte) (value != 0 ? 1 : 0));
            case STRING, UNKNOWN ->
                    throw new IllegalArgumentException("no made-up input of type " + type);
        }
    }
}
