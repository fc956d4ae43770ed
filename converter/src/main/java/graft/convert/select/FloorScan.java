package graft.convert.select;

import graft.formats.io.Layouts;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;

/**
 * Finds the residuals of a small part of a tensor that reach a floor. Which do is found out for
 * sixteen at a time, in loops of the form that HotSpot 25 vectorises, over arrays that stay in the
 * first cache: a part is taken as eight rows, so that a column is a byte of flags; bytes are then
 * transposed to 64 flags in a row. Not thread-safe.
 */
final class FloorScan {
    /** Elements of a part at most. */
    static final int PART = 1 << 11;

    private static final int ROWS = Byte.SIZE;
    private static final int COLUMNS = PART / ROWS;
    private static final int WORDS = COLUMNS / Long.BYTES;
    private static final int ROW_WORDS = COLUMNS / Long.SIZE;

    private final float[] residuals = new float[PART];
    private final int[] bits = new int[PART]; // of the residuals
    private final int[] reaches = new int[PART];
    private final int[] halves = new int[PART / 2];
    private final int[] quarters = new int[PART / 4];
    private final int[] columns = new int[COLUMNS];
    private final byte[] flags = new byte[COLUMNS];
    private final long[] words = new long[WORDS]; // of flags, eight columns in each
    private final long[] rows = new long[WORDS]; // of flags in the order of elements
    private final int[] found = new int[PART + Long.SIZE];

    /**
     * @param floor bits of a magnitude, at least 1; NaN reaches any
     * @return how many are found
     */
    int scan(float[] base, float[] model, int count, int floor) {
        subtract(base, model, residuals, count);
        // by way of memory: HotSpot vectorises no conversion of a float to its bits
        MemorySegment.copy(
                MemorySegment.ofArray(residuals), ValueLayout.JAVA_INT, 0, bits, 0, count);
        Arrays.fill(bits, count, PART, 0); // reaches nothing
        compare(bits, floor, reaches);
        // rows 4 to 7 beside rows 0 to 3, then by two, then by one
        fold(reaches, halves, PART / 2, 4);
        fold(halves, quarters, PART / 4, 2);
        fold(quarters, columns, COLUMNS, 1);
        narrow(columns, flags);
        MemorySegment.copy(MemorySegment.ofArray(flags), Layouts.I64, 0, words, 0, WORDS);
        for (int i = 0; i < WORDS; i++) {
            words[i] = transpose(words[i]);
        }
        for (int i = 0; i < ROW_WORDS; i++) {
            gatherRows(words, i, rows);
        }
        return unpack(rows, found);
    }

    private static void subtract(float[] base, float[] model, float[] residuals, int count) {
        for (int i = 0; i < count; i++) {
            residuals[i] = model[i] - base[i];
        }
    }

    private static void compare(int[] bits, int floor, int[] reaches) {
        for (int i = 0; i < PART; i++) {
            reaches[i] = floor - 1 - (bits[i] & Integer.MAX_VALUE) >>> 31;
        }
    }

    private static void fold(int[] from, int[] to, int half, int shift) {
        for (int i = 0; i < half; i++) {
            to[i] = from[i] | from[half + i] << shift;
        }
    }

    private static void narrow(int[] columns, byte[] flags) {
        for (int i = 0; i < COLUMNS; i++) {
            flags[i] = (byte) columns[i];
        }
    }

    /** Of 8×8 bits: bit i of byte j becomes bit j of byte i. */
    private static long transpose(long word) {
        long x = word;
        long swap = (x ^ x >>> 7) & 0x00aa00aa00aa00aaL;
        x ^= swap ^ swap << 7;
        swap = (x ^ x >>> 14) & 0x0000cccc0000ccccL;
        x ^= swap ^ swap << 14;
        swap = (x ^ x >>> 28) & 0x00000000f0f0f0f0L;
        return x ^ swap ^ swap << 28;
    }

    /** Of eight words byte r each, which together are a part of row r. */
    private static void gatherRows(long[] words, int part, long[] rows) {
        for (int row = 0; row < ROWS; row++) {
            long flags = 0;
            for (int i = 0; i < Long.BYTES; i++) {
                flags |= (words[Long.BYTES * part + i] >>> Byte.SIZE * row & 0xff) << Byte.SIZE * i;
            }
            rows[ROW_WORDS * row + part] = flags;
        }
    }

    /** Four at a time: how often a loop runs is mispredicted, and what is too much overwritten. */
    private static int unpack(long[] rows, int[] found) {
        int some = 0;
        for (int i = 0; i < WORDS; i++) {
            long flags = rows[i];
            int first = Long.SIZE * i;
            int end = some + Long.bitCount(flags);
            for (int at = some; at < end; at += 4) {
                found[at] = first + Long.numberOfTrailingZeros(flags);
                flags &= flags - 1;
                found[at + 1] = first + Long.numberOfTrailingZeros(flags);
                flags &= flags - 1;
                found[at + 2] = first + Long.numberOfTrailingZeros(flags);
                flags &= flags - 1;
                found[at + 3] = first + Long.numberOfTrailingZeros(flags);
                flags &= flags - 1;
            }
            some = end;
        }
        return some;
    }

    /** Which element was found, by ordinal; they ascend. */
    int found(int ordinal) {
        return found[ordinal];
    }

    /** Bits of |model − base| of an element. */
    int magnitude(int element) {
        return bits[element] & Integer.MAX_VALUE;
    }
}
