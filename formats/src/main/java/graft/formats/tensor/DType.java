package graft.formats.tensor;

import java.util.HashMap;
import java.util.Map;
import java.util.Optional;

/**
 * Element types of safetensors, by their names in the file.
 *
 * <p>The order is the reference crate's order of ascending alignment, which its writer sorts by
 * (safetensors 0.8, {@code enum Dtype}); do not rearrange.
 */
public enum DType {
    BOOL(8),
    F4(4),
    F6_E2M3(6),
    F6_E3M2(6),
    U8(8),
    I8(8),
    F8_E5M2(8),
    F8_E4M3(8),
    F8_E8M0(8),
    F8_E4M3FNUZ(8),
    F8_E5M2FNUZ(8),
    I16(16),
    U16(16),
    F16(16),
    BF16(16),
    I32(32),
    U32(32),
    F32(32),
    C64(64),
    F64(64),
    I64(64),
    U64(64);

    private static final Map<String, DType> BY_NAME = new HashMap<>();

    static {
        for (DType type : values()) {
            BY_NAME.put(type.name(), type);
        }
    }

    private final int bits;

    DType(int bits) {
        this.bits = bits;
    }

    /** The type a file calls {@code name}; case matters. */
    public static Optional<DType> of(String name) {
        return Optional.ofNullable(BY_NAME.get(name));
    }

    /** Bits of one element; below 8 elements are packed. */
    public int bits() {
        return bits;
    }

    /**
     * Bytes of one element.
     *
     * @throws IllegalStateException for packed types
     */
    public int bytes() {
        if (bits % 8 != 0) {
            throw new IllegalStateException(this + " is packed: " + bits + " bits an element");
        }
        return bits / 8;
    }

    /** Whether Graft computes with it: {@code F16}, {@code BF16}, {@code F32} or {@code F64}. */
    public boolean isComputable() {
        return this == F16 || this == BF16 || this == F32 || this == F64;
    }
}
