package graft.convert.select;

import graft.formats.io.Layouts;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * Finds the residuals of a small part of a tensor that reach a floor: most do not, and are passed
 * over eight at a time. Loops are in the form that HotSpot 25 vectorises, over arrays that stay in
 * the first cache; where a branch would be mispredicted there is none. Not thread-safe.
 */
final class FloorScan {
    /** Elements of a part at most. */
    static final int PART = 1 << 11;

    private static final int LANES = 8;

    private final float[] residuals = new float[PART];
    private final int[] magnitudes = new int[PART];
    private final byte[] flags = new byte[PART];
    private final long[] words = new long[PART / LANES]; // the flags, eight in each
    private final int[] busy = new int[PART / LANES + 1];
    private final int[] found = new int[PART];

    /**
     * @param floor bits of a magnitude, at least 1; NaN reaches any
     * @return how many are found
     */
    int scan(float[] base, float[] model, int count, int floor) {
        subtract(base, model, residuals, count);
        // by way of memory: HotSpot vectorises no conversion of a float to its bits
        MemorySegment.copy(
                MemorySegment.ofArray(residuals), ValueLayout.JAVA_INT, 0, magnitudes, 0, count);
        compare(magnitudes, floor, found, count);
        narrow(found, flags, count);
        int full = count + LANES - 1 & -LANES;
        for (int i = count; i < full; i++) {
            flags[i] = 0;
        }
        MemorySegment.copy(MemorySegment.ofArray(flags), Layouts.I64, 0, words, 0, full / LANES);
        return unpack(words, busy(words, full / LANES, busy), busy, found);
    }

    private static void subtract(float[] base, float[] model, float[] residuals, int count) {
        for (int i = 0; i < count; i++) {
            residuals[i] = model[i] - base[i];
        }
    }

    private static void compare(int[] magnitudes, int floor, int[] reaches, int count) {
        for (int i = 0; i < count; i++) {
            magnitudes[i] &= Integer.MAX_VALUE;
            reaches[i] = floor - 1 - magnitudes[i] >>> 31;
        }
    }

    private static void narrow(int[] reaches, byte[] flags, int count) {
        for (int i = 0; i < count; i++) {
            flags[i] = (byte) reaches[i];
        }
    }

    /** Which words have a flag. */
    private static int busy(long[] words, int count, int[] busy) {
        int some = 0;
        for (int i = 0; i < count; i++) {
            busy[some] = i;
            some += words[i] != 0 ? 1 : 0;
        }
        return some;
    }

    private static int unpack(long[] words, int count, int[] busy, int[] found) {
        int some = 0;
        for (int i = 0; i < count; i++) {
            int first = LANES * busy[i];
            long word = words[busy[i]];
            do {
                found[some++] = first + (Long.numberOfTrailingZeros(word) >>> 3);
                word &= word - 1;
            } while (word != 0);
        }
        return some;
    }

    /** Which element was found, by ordinal; they ascend. */
    int found(int ordinal) {
        return found[ordinal];
    }

    /** Bits of |model − base| of an element. */
    int magnitude(int element) {
        return magnitudes[element];
    }
}
