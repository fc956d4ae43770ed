package graft.formats.archive;

/**
 * Takes the floats of a segment apart, several at a time, and puts them together: the <i>value</i>,
 * which is the exponent with the highest mantissa bits, in two bytes; and the <i>rest</i>, the sign
 * below the other mantissa bits, without those that are zero in the whole segment.
 */
final class FloatLanes {
    private final int width;
    private final int lane;
    private final int low;
    private final long signs;
    private final long values;
    private BitLanes lanes;
    private int zeros;
    private int restBits;

    /**
     * @param mantissaBits of them in a value
     */
    FloatLanes(ElementType type, int mantissaBits) {
        width = type.bytes();
        lane = type.bits();
        low = type.mantissaBits() - mantissaBits;
        signs = BitLanes.every(lane, 1);
        values = BitLanes.every(width == 1 ? 16 : lane, type.exponentBits() + mantissaBits);
        zeros = 0;
        restBits = 1 + low;
        lanes = new BitLanes(lane, restBits);
    }

    /**
     * The values of a segment that begins at {@code at}, whole words; how many of the lowest bits
     * are zero in all of them, of those that are no value.
     */
    int split(byte[] raw, int at, int bytes, byte[] into, int to) {
        long any = 0;
        for (int i = 0; i < bytes; i += 8) {
            long word = LittleEndian.getI64(raw, at + i);
            any |= word;
            if (width == 2) {
                LittleEndian.putI64(into, to + i, word >>> low & values);
            } else if (width == 4) {
                long two = word >>> low & values;
                LittleEndian.putI32(into, to + (i >> 1), (int) (two | two >>> 16));
            } else {
                LittleEndian.putI64(
                        into, to + 2 * i, widened(word & 0xffff_ffffL) >>> low & values);
                LittleEndian.putI64(into, to + 2 * i + 8, widened(word >>> 32) >>> low & values);
            }
        }
        int folded = (int) (any | any >>> 32);
        folded |= width < 4 ? folded >>> 16 : 0;
        folded |= width < 2 ? folded >>> 8 : 0;
        return Integer.numberOfTrailingZeros(folded | 1 << low);
    }

    private static long widened(long four) {
        long x = (four | four << 16) & 0x0000_ffff_0000_ffffL;
        return (x | x << 8) & 0x00ff_00ff_00ff_00ffL;
    }

    private static long narrowed(long four) {
        long x = (four | four >>> 8) & 0x0000_ffff_0000_ffffL;
        return (x | x >>> 16) & 0xffff_ffffL;
    }

    /** Sets how many of the lowest bits the rest is without; how many bits it has then. */
    int without(int zeros) {
        if (zeros != this.zeros) {
            this.zeros = zeros;
            restBits = 1 + low - zeros;
            lanes = new BitLanes(lane, restBits);
        }
        return restBits;
    }

    /** The rests of the numbers in a word, next to each other. */
    long rest(long word) {
        return lanes.close((word >>> zeros << 1 & ~signs | word >>> lane - 1 & signs));
    }

    /**
     * Puts a segment together.
     *
     * @param from of which eight bytes beyond the rests can be read
     * @param bit where in it the rests begin
     * @param bytes of the segment, whole words
     */
    void join(byte[] parts, byte[] from, int bit, byte[] raw, int at, int bytes) {
        int step = 8 / width * restBits;
        int next = bit;
        for (int i = 0; i < bytes; i += 8) {
            long rest = lanes.open(LittleEndian.getI64(from, next >>> 3) >>> (next & 7));
            next += step;
            long value;
            if (width == 2) {
                value = LittleEndian.getI64(parts, i);
            } else if (width == 4) {
                long two = LittleEndian.getI32(parts, i >> 1) & 0xffff_ffffL;
                value = (two | two << 16) & 0x0000_ffff_0000_ffffL;
            } else {
                value =
                        narrowed(LittleEndian.getI64(parts, 2 * i))
                                | narrowed(LittleEndian.getI64(parts, 2 * i + 8)) << 32;
            }
            long word = value << low | (rest & ~signs) << zeros >>> 1 | (rest & signs) << lane - 1;
            LittleEndian.putI64(raw, at + i, word);
        }
    }
}
