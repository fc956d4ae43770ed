package graft.formats.onnx;

import graft.formats.onnx.proto.TensorProto;
import graft.formats.tensor.DType;

import java.util.EnumMap;
import java.util.Map;
import java.util.Optional;

/** ONNX's element types as safetensors', where both have them. */
final class OnnxTypes {
    private static final Map<TensorProto.DataType, DType> TYPES =
            new EnumMap<>(TensorProto.DataType.class);

    static {
        TYPES.put(TensorProto.DataType.FLOAT, DType.F32);
        TYPES.put(TensorProto.DataType.UINT8, DType.U8);
        TYPES.put(TensorProto.DataType.INT8, DType.I8);
        TYPES.put(TensorProto.DataType.UINT16, DType.U16);
        TYPES.put(TensorProto.DataType.INT16, DType.I16);
        TYPES.put(TensorProto.DataType.INT32, DType.I32);
        TYPES.put(TensorProto.DataType.INT64, DType.I64);
        TYPES.put(TensorProto.DataType.BOOL, DType.BOOL);
        TYPES.put(TensorProto.DataType.FLOAT16, DType.F16);
        TYPES.put(TensorProto.DataType.DOUBLE, DType.F64);
        TYPES.put(TensorProto.DataType.UINT32, DType.U32);
        TYPES.put(TensorProto.DataType.UINT64, DType.U64);
        TYPES.put(TensorProto.DataType.COMPLEX64, DType.C64);
        TYPES.put(TensorProto.DataType.BFLOAT16, DType.BF16);
    }

    private OnnxTypes() {}

    /** Empty for strings, packed and 8-bit float types, which Graft passes through untouched. */
    static Optional<DType> of(int onnxType) {
        return Optional.ofNullable(TensorProto.DataType.forNumber(onnxType)).map(TYPES::get);
    }

    /**
     * @throws IllegalArgumentException if ONNX has no such type, or it is not written by Graft
     */
    static TensorProto.DataType of(DType type) {
        return TYPES.entrySet().stream()
                .filter(entry -> entry.getValue() == type)
                .map(Map.Entry::getKey)
                .findFirst()
                .orElseThrow(() -> new IllegalArgumentException("no ONNX type for " + type));
    }
}
