package graft.convert.select;

import graft.convert.plan.TensorPair;

import java.io.IOException;
import java.util.Optional;

/**
 * Which entries are kept: those whose magnitude, as the bits of a float32, is above {@code bits},
 * and the first {@code ties} of those equal to it. Bits of non-negative floats order as the floats
 * do.
 */
public record Threshold(int bits, long ties) {
    /** Sees kept entries in ascending order. */
    @FunctionalInterface
    public interface Kept {
        /**
         * @param tile offset of the entry in the arrays of the current tile
         */
        void entry(long index, int tile, float residual) throws IOException;
    }

    /** Where the k-th largest lies in a histogram: its bin, and how many of the bin are needed. */
    record Boundary(int bin, long needed) {
        /**
         * @param k from 1 to the number of entries counted
         */
        static Boundary of(long[] counts, long k) {
            long left = k;
            for (int bin = counts.length - 1; ; bin--) {
                if (counts[bin] >= left) {
                    return new Boundary(bin, left);
                }
                left -= counts[bin];
            }
        }
    }

    /** The magnitude at the threshold. */
    public float magnitude() {
        return bits == Integer.MAX_VALUE ? Float.MAX_VALUE : Float.intBitsToFloat(bits);
    }

    /** Keeps nothing. */
    public static Threshold none() {
        return new Threshold(Integer.MAX_VALUE, 0);
    }

    /** The k entries of largest magnitude of one tensor, the earlier of equal ones. */
    public static Threshold of(TensorPair pair, long k) throws IOException {
        if (k == 0) {
            return none();
        }
        Optional<LargestEntries> largest = LargestEntries.of(pair, k);
        if (largest.isPresent()) {
            try (LargestEntries entries = largest.get()) {
                return entries.threshold(k);
            }
        }
        long[] high = new long[MagnitudeHistogram.HIGH_BINS];
        MagnitudeHistogram.addHigh(pair, high);
        Boundary upper = Boundary.of(high, k);
        long[] low = new long[MagnitudeHistogram.LOW_BINS];
        MagnitudeHistogram.addLow(pair, upper.bin(), low);
        Boundary lower = Boundary.of(low, upper.needed());
        return new Threshold(upper.bin() << 16 | lower.bin(), lower.needed());
    }

    /**
     * Walks a tile's kept entries. A residual of zero counts as kept but is not passed on: the base
     * already has the value.
     *
     * @param tiesLeft ties not yet used up by earlier tiles
     * @return ties left after this tile
     */
    public long walk(long first, float[] base, float[] model, int count, long tiesLeft, Kept kept)
            throws IOException {
        long left = tiesLeft;
        for (int i = 0; i < count; i++) {
            float u = model[i] - base[i];
            int magnitude = Float.floatToRawIntBits(u) & Integer.MAX_VALUE;
            if (magnitude < bits) {
                continue;
            }
            if (magnitude == bits) {
                if (left == 0) {
                    continue;
                }
                left--;
            }
            if (magnitude != 0) {
                kept.entry(first + i, i, u);
            }
        }
        return left;
    }
}
