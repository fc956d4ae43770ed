package graft.convert.export;

import graft.formats.tensor.DType;
import graft.formats.tensor.TensorInfo;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Optional;

/**
 * The type that graphs store matrices of float32 in; they compute with float32 again. Vectors and
 * scalars stay as they are.
 *
 * @param type empty for the graph's own
 */
record Storage(Optional<DType> type) {
    /** Name of what is stored for an initializer that is narrowed. */
    static String name(String initializer) {
        return "graft/stored/" + initializer;
    }

    /** Whether an initializer is stored in another type. */
    boolean isNarrowed(TensorInfo info) {
        return type.isPresent()
                && info.dtype() == DType.F32
                && type.get() != DType.F32
                && info.shape().rank() >= 2;
    }

    /** An initializer in the type that it is stored in, by its own name. */
    TensorInfo stored(TensorInfo info) {
        return isNarrowed(info)
                ? new TensorInfo(info.name(), type.orElseThrow(), info.shape())
                : info;
    }

    /** The bytes of {@link #stored}, rounded once. */
    MemorySegment bytes(TensorInfo info, MemorySegment bytes, Arena arena) throws IOException {
        return isNarrowed(info) ? Materialised.cast(info, bytes, type.orElseThrow(), arena) : bytes;
    }

    /** Adds the node that makes an initializer of what is stored for it. */
    static void widen(GraphEditor editor, String name, int type) {
        editor.cast(name(name), name, type);
    }
}
