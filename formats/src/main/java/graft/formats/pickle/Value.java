package graft.formats.pickle;

import graft.formats.tensor.DType;
import graft.formats.tensor.Shape;

import org.jspecify.annotations.Nullable;

import java.util.List;
import java.util.SequencedMap;

/**
 * What a pickle may hold beside {@link String}, {@link Long}, {@link java.math.BigInteger}, {@link
 * Double}, {@link Boolean} and lists, which are {@link java.util.ArrayList}.
 */
sealed interface Value {
    /** {@code None}, and values of no interest here: devices, sizes, empty sets. */
    record Opaque(String what) implements Value {
        static final Opaque NONE = new Opaque("None");
    }

    /** A tuple. */
    record Tuple(List<Object> items) implements Value {}

    /** A dict; keys are {@link String} or {@link Long}. */
    record Dict(SequencedMap<Object, Object> items, boolean ordered) implements Value {}

    /**
     * A storage that a persistent id names; its bytes are found after the pickle is read.
     *
     * @param dtype type of its elements, or null for bytes of any type
     * @param key names it within the file
     * @param elements its length in elements of {@code dtype}, or in bytes
     * @param offset byte of the file that named it
     */
    record Storage(@Nullable DType dtype, String key, long elements, long offset) implements Value {
        /** Its length in bytes. */
        long bytes() {
            return elements * (dtype == null ? 1 : dtype.bytes());
        }
    }

    /**
     * A view of a storage.
     *
     * @param first element of the storage at index 0
     * @param strides in elements, one for each axis of {@code shape}
     */
    record Tensor(Storage storage, DType dtype, Shape shape, long first, long[] strides)
            implements Value {
        /** Whether its elements lie one after the other, row-major. */
        boolean isContiguous() {
            long expected = 1;
            for (int axis = shape.rank() - 1; axis >= 0; axis--) {
                if (shape.extent(axis) != 1 && strides[axis] != expected) {
                    return shape.elements() == 0;
                }
                expected *= shape.extent(axis);
            }
            return true;
        }
    }

    /** Functions and classes that a pickle may name: what each is called, what is built for it. */
    enum Function implements Value {
        ORDERED_DICT("collections.OrderedDict"),
        TENSOR_V1("torch._utils._rebuild_tensor"),
        TENSOR_V2("torch._utils._rebuild_tensor_v2"),
        TENSOR_V3("torch._utils._rebuild_tensor_v3"),
        PARAMETER_V1("torch._utils._rebuild_parameter"),
        PARAMETER_WITH_STATE("torch._utils._rebuild_parameter_with_state"),
        PARAMETER("torch.nn.parameter.Parameter"),
        SIZE("torch.Size"),
        DEVICE("torch.device");

        final String python;

        Function(String python) {
            this.python = python;
        }
    }

    /** A storage class; {@code dtype} is null for bytes of any type. */
    record StorageType(String python, @Nullable DType dtype) implements Value {}

    /** A torch dtype; {@code dtype} is null if safetensors has none for it. */
    record TorchType(String python, @Nullable DType dtype) implements Value {}

    /** For messages. */
    static String describe(Object value) {
        return switch (value) {
            case Opaque opaque -> opaque.what();
            case Tuple _ -> "a tuple";
            case Dict _ -> "a dict";
            case Storage _ -> "a storage";
            case Tensor _ -> "a tensor";
            case Function function -> function.python;
            case StorageType type -> type.python();
            case TorchType type -> type.python();
            case String _ -> "a string";
            case Boolean _ -> "a boolean";
            case Number _ -> "a number";
            case List<?> _ -> "a list";
            default -> "an object";
        };
    }
}
