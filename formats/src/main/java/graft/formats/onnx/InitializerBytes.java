package graft.formats.onnx;

import graft.formats.FileSpot;
import graft.formats.MalformedFileException;
import graft.formats.onnx.proto.TensorProto;
import graft.formats.tensor.DType;
import graft.formats.tensor.Shape;
import graft.formats.tensor.TensorInfo;

import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;

/** Type, shape and bytes of an initializer that lies in the graph itself. */
final class InitializerBytes {
    private InitializerBytes() {}

    /** Empty for types that only pass through. */
    static Optional<TensorInfo> info(FileSpot spot, TensorProto tensor)
            throws MalformedFileException {
        Optional<DType> type = OnnxTypes.of(tensor.getDataType());
        if (type.isEmpty()) {
            return Optional.empty();
        }
        long[] extents = tensor.getDimsList().stream().mapToLong(Long::longValue).toArray();
        return Optional.of(info(spot, tensor.getName(), type.get(), extents));
    }

    /** Of an adapter's parameter likewise. */
    static TensorInfo info(FileSpot spot, String name, DType type, long[] extents)
            throws MalformedFileException {
        try {
            return new TensorInfo(name, type, Shape.of(extents));
        } catch (IllegalArgumentException | ArithmeticException e) {
            throw new MalformedFileException(spot, "impossible dims " + Arrays.toString(extents));
        }
    }

    /** Refuses {@code held} bytes that are not what type and shape need. */
    static void checkSize(FileSpot spot, TensorInfo info, long held) throws MalformedFileException {
        if (held != info.bytes()) {
            throw new MalformedFileException(
                    spot,
                    "holds %d bytes, dims %s of %s need %d"
                            .formatted(held, info.shape(), info.dtype(), info.bytes()));
        }
    }

    /** Raw bytes as they are; typed fields, which small tensors use, laid out anew. */
    static MemorySegment inline(FileSpot spot, TensorProto tensor, TensorInfo info)
            throws MalformedFileException {
        MemorySegment bytes =
                tensor.hasRawData()
                        ? MemorySegment.ofBuffer(tensor.getRawData().asReadOnlyByteBuffer())
                        : MemorySegment.ofBuffer(typed(tensor, info));
        checkSize(spot, info, bytes.byteSize());
        return bytes;
    }

    /** Which field holds which type: onnx.proto, comments of TensorProto. */
    private static ByteBuffer typed(TensorProto tensor, TensorInfo info) {
        return switch (info.dtype()) {
            case F32, C64 -> {
                List<Float> values = tensor.getFloatDataList();
                var bytes = little(4L * values.size());
                values.forEach(bytes::putFloat);
                yield bytes.flip();
            }
            case F64 -> {
                List<Double> values = tensor.getDoubleDataList();
                var bytes = little(8L * values.size());
                values.forEach(bytes::putDouble);
                yield bytes.flip();
            }
            case I64 -> longs(tensor.getInt64DataList(), 8);
            case U64, U32 -> longs(tensor.getUint64DataList(), info.dtype().bytes());
            default ->
                    longs(
                            tensor.getInt32DataList().stream().map(Integer::longValue).toList(),
                            info.dtype().bytes());
        };
    }

    private static ByteBuffer longs(List<Long> values, int width) {
        var bytes = little((long) width * values.size());
        for (long value : values) {
            for (int i = 0; i < width; i++) {
                bytes.put((byte) (value >> 8 * i));
            }
        }
        return bytes.flip();
    }

    private static ByteBuffer little(long bytes) {
        return ByteBuffer.allocate(Math.toIntExact(bytes)).order(ByteOrder.LITTLE_ENDIAN);
    }
}
