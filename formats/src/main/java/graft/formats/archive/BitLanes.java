package graft.formats.archive;

/**
 * Closes the gaps between numbers of {@code width} bits that lie in lanes of a word, and opens them
 * again: eight lanes of 8 bits, four of 16 or two of 32, the lowest first. A step joins pairs of
 * lanes into one of twice the size.
 */
final class BitLanes {
    private final int lane;
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
        this.lane = lane;
        int bits8 = Math.min(width, 8);
        int bits16 = Math.min(width * 16 / lane, 16);
        int bits32 = width * 32 / lane;
        shift8 = 8 - bits8;
        shift16 = 16 - bits16;
        shift32 = 32 - bits32;
        low8 = every(16, bits8);
        low16 = every(32, bits16);
        low32 = every(64, bits32);
        high8 = low8 << bits8;
        high16 = low16 << bits16;
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

    /** The numbers next to each other. */
    long close(long lanes) {
        long x = lanes;
        if (lane <= 8) {
            x = x & low8 | x >>> shift8 & high8;
        }
        if (lane <= 16) {
            x = x & low16 | x >>> shift16 & high16;
        }
        return x & low32 | x >>> shift32 & high32;
    }

    /** The numbers in their lanes; what lies above them in {@code closed} is left out. */
    long open(long closed) {
        long x = closed & low32 | (closed & high32) << shift32;
        if (lane <= 16) {
            x = x & low16 | (x & high16) << shift16;
        }
        if (lane <= 8) {
            x = x & low8 | (x & high8) << shift8;
        }
        return x;
    }
}
