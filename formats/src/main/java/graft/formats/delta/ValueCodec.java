package graft.formats.delta;

import graft.formats.tensor.DType;

/**
 * What is stored for each kept position. All but {@link #EXACT} are differences to add to the base.
 */
public enum ValueCodec {
    /** The model's own value, in the model's type: absolute, bit for bit. */
    EXACT("exact"),
    /** The difference as a half-precision float. */
    F16("f16"),
    /** The difference as a bfloat16. */
    BF16("bf16"),
    /**
     * Groups of {@link #INT4_GROUP} kept entries: float32 smallest magnitude and step, then a
     * nibble each, low one first: three bits of magnitude, a bit of sign.
     */
    INT4("int4"),
    /** One bit, lowest first: 0 adds the tensor's scale to the base, 1 subtracts it. */
    SIGN("sign"),
    /** The same with a scale per row: bfloat16 for each extent of the first axis, then the bits. */
    SIGN_ROW("signrow"),
    /** An integer multiple of the scale; integers of all positions coded, zeros are not kept. */
    STEPS("steps"),
    /**
     * Subtractive dither: {@code (q − r + ½) · scale}, r from {@link CounterRandom}; integers of
     * all positions coded, or of those drawn; all of them are kept.
     */
    DITHER("dither");

    /** Kept entries that share a range. */
    public static final int INT4_GROUP = 1024;

    /** Levels of magnitude above the smallest. */
    public static final int INT4_LEVELS = 7;

    static final int INT4_HEADER_BYTES = 8;

    private final String word;

    ValueCodec(String word) {
        this.word = word;
    }

    /** What the directory calls it. */
    public String word() {
        return word;
    }

    /** Whether {@link SparseTensor#scale} means something. */
    boolean isScaled() {
        return this == SIGN || this == STEPS || this == DITHER;
    }

    /** Whether values are integers of all positions, coded by {@link IntegerEncoder}. */
    public boolean isCoded() {
        return this == STEPS || this == DITHER;
    }

    /** Whether positions are kept in this way. */
    boolean goesWith(IndexCodec index) {
        return switch (this) {
            case DITHER ->
                    index == IndexCodec.DENSE
                            || index == IndexCodec.DRAWN
                            || index == IndexCodec.NONE;
            case STEPS -> index == IndexCodec.CODED || index == IndexCodec.NONE;
            case EXACT, F16, BF16, INT4, SIGN, SIGN_ROW -> index != IndexCodec.CODED;
        };
    }

    /**
     * Bytes of {@code count} values of a tensor of {@code rows} rows.
     *
     * @throws IllegalStateException if they are coded: only the encoder knows
     */
    public long bytes(long count, long rows, DType type) {
        if (count == 0) {
            return 0;
        }
        return switch (this) {
            case EXACT -> Math.multiplyExact(count, (long) type.bytes());
            case F16, BF16 -> Math.multiplyExact(count, 2L);
            case INT4 ->
                    Math.ceilDiv(count, INT4_GROUP) * INT4_HEADER_BYTES
                            + count / INT4_GROUP * (INT4_GROUP / 2)
                            + (count % INT4_GROUP + 1) / 2;
            case SIGN -> Math.ceilDiv(count, 8);
            case SIGN_ROW -> Math.addExact(Math.multiplyExact(rows, 2L), Math.ceilDiv(count, 8));
            case STEPS, DITHER -> throw new IllegalStateException(word + " has no fixed size");
        };
    }
}
