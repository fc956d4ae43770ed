package graft.formats.pickle;

import graft.formats.tensor.DType;

import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/** The globals of {@code torch.load(weights_only=True)} that describe dense tensors. */
final class Globals {
    private static final Map<String, DType> STORAGES =
            Map.ofEntries(
                    Map.entry("Half", DType.F16),
                    Map.entry("BFloat16", DType.BF16),
                    Map.entry("Float", DType.F32),
                    Map.entry("Double", DType.F64),
                    Map.entry("Long", DType.I64),
                    Map.entry("Int", DType.I32),
                    Map.entry("Short", DType.I16),
                    Map.entry("Char", DType.I8),
                    Map.entry("Byte", DType.U8),
                    Map.entry("Bool", DType.BOOL),
                    Map.entry("ComplexFloat", DType.C64));

    private static final Map<String, DType> TYPES =
            Map.ofEntries(
                    Map.entry("float16", DType.F16),
                    Map.entry("bfloat16", DType.BF16),
                    Map.entry("float32", DType.F32),
                    Map.entry("float64", DType.F64),
                    Map.entry("int64", DType.I64),
                    Map.entry("int32", DType.I32),
                    Map.entry("int16", DType.I16),
                    Map.entry("int8", DType.I8),
                    Map.entry("uint8", DType.U8),
                    Map.entry("uint16", DType.U16),
                    Map.entry("uint32", DType.U32),
                    Map.entry("uint64", DType.U64),
                    Map.entry("bool", DType.BOOL),
                    Map.entry("complex64", DType.C64),
                    Map.entry("float8_e4m3fn", DType.F8_E4M3),
                    Map.entry("float8_e4m3fnuz", DType.F8_E4M3FNUZ),
                    Map.entry("float8_e5m2", DType.F8_E5M2),
                    Map.entry("float8_e5m2fnuz", DType.F8_E5M2FNUZ),
                    Map.entry("float8_e8m0fnu", DType.F8_E8M0));

    private static final List<String> TYPES_WITHOUT_NAME =
            List.of("complex32", "complex128", "float4_e2m1fn_x2", "qint8", "quint8", "qint32");

    private static final List<String> QUANTISED =
            List.of("QUInt8", "QInt8", "QInt32", "QUInt4x2", "QUInt2x4");

    private static final Map<String, Value> ALL = all();

    private Globals() {}

    /** What {@code module.name} stands for; empty if it is not allowed. */
    static Optional<Value> find(String qualified) {
        return Optional.ofNullable(ALL.get(qualified));
    }

    private static Map<String, Value> all() {
        Map<String, Value> all = new HashMap<>();
        Arrays.stream(Value.Function.values()).forEach(f -> all.put(f.python, f));
        for (String untyped : List.of("UntypedStorage", "TypedStorage")) {
            String python = "torch.storage." + untyped;
            all.put(python, new Value.StorageType(python, null));
        }
        STORAGES.forEach((name, type) -> {
            String python = "torch." + name + "Storage";
            all.put(python, new Value.StorageType(python, type));
        });
        TYPES.forEach((name, type) -> {
            String python = "torch." + name;
            all.put(python, new Value.TorchType(python, type));
        });
        for (String name : TYPES_WITHOUT_NAME) {
            all.put("torch." + name, new Value.TorchType("torch." + name, null));
        }
        return all;
    }

    /** Whether it is a storage class of quantised elements, which need scales kept elsewhere. */
    static boolean isQuantised(String qualified) {
        return QUANTISED.stream().anyMatch(name -> qualified.equals("torch." + name + "Storage"));
    }
}
