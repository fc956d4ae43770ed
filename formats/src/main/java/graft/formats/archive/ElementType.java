package graft.formats.archive;

import java.util.Locale;
import java.util.Optional;

/**
 * How the elements of a run are laid out, as far as coding them needs to know. Floats are sign,
 * exponent, mantissa from the highest bit down, little-endian.
 */
public enum ElementType {
    /** Anything. */
    BYTES(1, 0),
    /** Integers, or floats of no coded kind, of two, four and eight bytes. */
    WORD16(2, 0),
    WORD32(4, 0),
    WORD64(8, 0),
    F8_E4M3(1, 4),
    F8_E5M2(1, 5),
    F16(2, 5),
    BF16(2, 8),
    F32(4, 8);

    private final int bytes;
    private final int exponentBits;

    ElementType(int bytes, int exponentBits) {
        this.bytes = bytes;
        this.exponentBits = exponentBits;
    }

    /** The type a manifest calls {@code word}. */
    public static Optional<ElementType> of(String word) {
        for (ElementType type : values()) {
            if (type.word().equals(word)) {
                return Optional.of(type);
            }
        }
        return Optional.empty();
    }

    /** Its name in a manifest. */
    public String word() {
        return name().toLowerCase(Locale.ROOT);
    }

    /** Bytes of one element. */
    public int bytes() {
        return bytes;
    }

    boolean isFloat() {
        return exponentBits > 0;
    }

    /** Bits of one element. */
    int bits() {
        return 8 * bytes;
    }

    int mantissaBits() {
        return bits() - 1 - exponentBits;
    }

    int exponentBits() {
        return exponentBits;
    }
}
