package graft.formats.archive;

/**
 * Takes the floats of segments apart, several at a time, and puts them together: the <i>value</i>,
 * which is the exponent with the highest mantissa bits, in two bytes; and the <i>rest</i>, the sign
 * below the other mantissa bits, without those that are zero in the whole segment.
 *
 * <p>Loops over words do one thing each: compilers make vectors of them. Not thread-safe.
 */
final class FloatLanes {
    /** Segments that are worked on together, at most: long loops, in the first cache. */
    static final int GROUP = 16;

    private final int width;
    private final int lane;
    private final int low;
    private final long signs;
    private final long values;
    private final long[] rests = new long[GROUP * FloatSegment.SIZE / 2];
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
     * The values of segments.
     *
     * @param bytes of them, whole words
     */
    void split(byte[] raw, int at, int bytes, byte[] into, int to) {
        int shift = low;
        long mask = values;
        switch (width) {
            case 2 -> {
                for (int i = 0; i < bytes; i += 8) {
                    long word = LittleEndian.getI64(raw, at + i);
                    LittleEndian.putI64(into, to + i, word >>> shift & mask);
                }
            }
            case 4 -> {
                for (int i = 0; i < bytes; i += 8) {
                    long two = LittleEndian.getI64(raw, at + i) >>> shift & mask;
                    LittleEndian.putI32(into, to + (i >> 1), (int) (two | two >>> 16));
                }
            }
            default -> {
                for (int i = 0; i < bytes; i += 8) {
                    long word = LittleEndian.getI64(raw, at + i);
                    long lower = widened(word & 0xffff_ffffL) >>> shift & mask;
                    LittleEndian.putI64(into, to + 2 * i, lower);
                    LittleEndian.putI64(
                            into, to + 2 * i + 8, widened(word >>> 32) >>> shift & mask);
                }
            }
        }
    }

    /**
     * How many of the lowest bits are zero in all numbers, of those that are no value.
     *
     * @param bytes of the numbers, whole words
     */
    int zeros(byte[] raw, int at, int bytes) {
        long any = 0;
        for (int i = 0; i < bytes && (any & signs) == 0; i += 8) { // mostly the first shows it
            any |= LittleEndian.getI64(raw, at + i);
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

    /**
     * Writes the rests of segments.
     *
     * @param bytes of the segments, whole words, of {@link #GROUP} segments at most
     * @param count numbers in them; what follows is left out
     */
    void rests(byte[] raw, int at, int bytes, int count, BitWriter to) {
        int together = 8 / width;
        int words = bytes >>> 3;
        int down = zeros;
        int top = lane - 1;
        long mask = signs;
        for (int i = 0; i < words; i++) {
            long word = LittleEndian.getI64(raw, at + 8 * i);
            rests[i] = word >>> down << 1 & ~mask | word >>> top & mask;
        }
        lanes.close(rests, words);
        int whole = count / together;
        to.put(rests, whole, together * restBits);
        if (whole < words) {
            to.put(rests[whole], count % together * restBits);
        }
    }

    /**
     * Puts segments together.
     *
     * @param parts their values
     * @param from of which eight bytes beyond the rests can be read
     * @param bit where in it the rests begin
     * @param bytes of the segments, whole words, of {@link #GROUP} segments at most
     */
    void join(byte[] parts, byte[] from, int bit, byte[] raw, int at, int bytes) {
        int words = bytes >>> 3;
        int step = 8 / width * restBits;
        int next = bit;
        for (int i = 0; i < words; i++) {
            rests[i] = LittleEndian.getI64(from, next >>> 3) >>> (next & 7);
            next += step;
        }
        lanes.open(rests, words);
        int up = zeros;
        int top = lane - 1;
        long mask = signs;
        for (int i = 0; i < words; i++) {
            long rest = rests[i];
            rests[i] = (rest & ~mask) << up >>> 1 | (rest & mask) << top;
        }
        int shift = low;
        switch (width) {
            case 2 -> {
                for (int i = 0; i < words; i++) {
                    long value = LittleEndian.getI64(parts, 8 * i);
                    LittleEndian.putI64(raw, at + 8 * i, value << shift | rests[i]);
                }
            }
            case 4 -> {
                for (int i = 0; i < words; i++) {
                    long two = LittleEndian.getI32(parts, 4 * i) & 0xffff_ffffL;
                    long value = (two | two << 16) & 0x0000_ffff_0000_ffffL;
                    LittleEndian.putI64(raw, at + 8 * i, value << shift | rests[i]);
                }
            }
            default -> {
                for (int i = 0; i < words; i++) {
                    long value =
                            narrowed(LittleEndian.getI64(parts, 16 * i))
                                    | narrowed(LittleEndian.getI64(parts, 16 * i + 8)) << 32;
                    LittleEndian.putI64(raw, at + 8 * i, value << shift | rests[i]);
                }
            }
        }
    }
}
