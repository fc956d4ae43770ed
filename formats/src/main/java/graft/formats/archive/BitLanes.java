package graft.formats.archive;

/**
 * Closes the gaps between numbers of {@code width} bits that lie in lanes of a word, and opens them
 * again: eight lanes of 8 bits, four of 16 or two of 32, the lowest first. A step joins pairs of
 * lanes into one of twice the size.
 *
 * <p>Loops over many words, without a branch: compilers make vectors of them.
 */
final class BitLanes {
    private final int shift8;
    private final int shift16;
    private final int shift32;
    private final long low8;
    private final long low16;
    private final long low32;
    private final long high8;
    private final long high16;
    private final long high32;

    /**
     * @param lane bits of a lane
     * @param width bits of a number, up to {@code lane}
     */
    BitLanes(int lane, int width) {
        int bits8 = Math.min(width, 8);
        int bits16 = Math.min(width * 16 / lane, 16);
        int bits32 = width * 32 / lane;
        shift8 = 8 - bits8;
        shift16 = 16 - bits16;
        shift32 = 32 - bits32;
        low8 = lane <= 8 ? every(16, bits8) : -1;
        low16 = lane <= 16 ? every(32, bits16) : -1;
        low32 = every(64, bits32);
        high8 = lane <= 8 ? low8 << bits8 : 0;
        high16 = lane <= 16 ? low16 << bits16 : 0;
        high32 = low32 << bits32;
    }

    /** The lowest {@code bits}, up to 32, in every lane. */
    static long every(int lane, int bits) {
        long result = 0;
        for (int at = 0; at < Long.SIZE; at += lane) {
            result |= ((1L << bits) - 1) << at;
        }
        return result;
    }

    /** The numbers of each word next to each other. */
    void close(long[] words, int count) {
        for (int i = 0; i < count; i++) {
            long x = words[i];
            x = x & low8 | x >>> shift8 & high8;
            x = x & low16 | x >>> shift16 & high16;
            words[i] = x & low32 | x >>> shift32 & high32;
        }
    }

    /** The numbers of each word in their lanes; what lies above them is left out. */
    void open(long[] words, int count) {
        for (int i = 0; i < count; i++) {
            long x = words[i];
            x = x & low32 | (x & high32) << shift32;
            x = x & low16 | (x & high16) << shift16;
            words[i] = x & low8 | (x & high8) << shift8;
        }
    }
}
