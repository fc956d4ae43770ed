package graft.formats.delta;

/**
 * How ascending positions are coded. A gap is the number of positions skipped since the one before,
 * or since the start.
 */
public enum IndexCodec {
    /** Nothing is kept. */
    NONE("none"),
    /** Everything is kept; no bytes. */
    DENSE("dense"),
    /** One bit per position of the tensor, lowest bit first, 1 for kept. */
    BITMAP("bitmap"),
    /** Per gap a byte below 255; a byte 255 adds 255 and goes on. */
    U8_GAP("u8"),
    /** Per gap a little-endian u16 below 65535; a 65535 adds 65535 and goes on. */
    U16_GAP("u16"),
    /**
     * Golomb–Rice: {@code gap >> parameter} one-bits and a zero-bit, then the low {@code parameter}
     * bits, everything lowest bit first; zero-bits up to a whole byte at the end.
     */
    RICE("rice"),
    /** Positions are those whose coded integer is not zero; no bytes of their own. */
    CODED("coded"),
    /**
     * Positions drawn by {@link DrawnPositions}, each with probability {@code parameter · 2^-30};
     * no bytes.
     */
    DRAWN("drawn");

    private final String word;

    IndexCodec(String word) {
        this.word = word;
    }

    /** What the directory calls it. */
    public String word() {
        return word;
    }
}
