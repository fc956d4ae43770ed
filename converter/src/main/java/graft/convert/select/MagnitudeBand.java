package graft.convert.select;

import graft.convert.plan.TensorPair;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicLong;

/**
 * What one residual has of magnitudes in a band: all that lie in it, and how many lie above. A
 * threshold that lies in the band of several residuals follows exactly, without another pass.
 */
final class MagnitudeBand {
    /** Where a band lies: bits from {@code low} on, below {@code high}. */
    record Limits(int low, int high) {
        /** Bands are at most this wide, in bins of 16 bits. */
        private static final int WIDEST = 16;

        /**
         * Around the {@code k}-th largest of all, as samples have it.
         *
         * @param counts sums of what {@link MagnitudeSample#addTo} adds
         * @return one of no width if they say nothing of use
         */
        static Limits around(double[] counts, long k) {
            double slack = 0.01 * k + 16;
            int high = reach(counts, k - slack) + 1;
            int low = reach(counts, k + slack);
            boolean useful = low > 0 && high <= MagnitudeHistogram.HIGH_BINS;
            return useful && high - low <= WIDEST
                    ? new Limits(low << 16, high << 16)
                    : new Limits(0, 0);
        }

        private static int reach(double[] counts, double rank) {
            double reached = 0;
            int bin = counts.length;
            while (bin > 0 && reached < rank) {
                reached += counts[--bin];
            }
            return bin;
        }

        boolean isEmpty() {
            return low == high;
        }
    }

    private static final int LANES = 256;

    private final Limits limits;
    private final List<MemorySegment> parts = new ArrayList<>();
    private long above;

    private MagnitudeBand(Limits limits) {
        this.limits = limits;
    }

    /**
     * One pass.
     *
     * @param arena where magnitudes are held, four bytes each
     * @param room how many more may be held by all; ends negative if that is too few, and then
     *     nothing of this is of use
     * @throws graft.convert.ConversionException.UnusableValues at the first NaN or infinity
     */
    static MagnitudeBand of(TensorPair pair, Limits limits, Arena arena, AtomicLong room)
            throws IOException {
        var band = new MagnitudeBand(limits);
        float[] zeros = new float[LANES]; // become NaN where a residual is not finite
        int[] found = new int[TensorPair.TILE];
        pair.walkWhile((_, base, model, n) -> {
            addZeros(zeros, base, model, n);
            int inside = band.find(base, model, n, found);
            if (inside > 0 && room.addAndGet(-inside) >= 0) {
                MemorySegment part = arena.allocate(4L * inside, 4);
                MemorySegment.copy(found, 0, part, ValueLayout.JAVA_INT, 0, inside);
                band.parts.add(part);
            }
            return room.get() >= 0;
        });
        for (float zero : zeros) {
            if (Float.isNaN(zero)) {
                MagnitudeHistogram.checkFinite(pair);
            }
        }
        return band;
    }

    private int find(float[] base, float[] model, int n, int[] found) {
        float low = Float.intBitsToFloat(limits.low());
        float high = Float.intBitsToFloat(limits.high());
        int inside = 0;
        int over = 0;
        for (int i = 0; i < n; i++) {
            float magnitude = Math.abs(model[i] - base[i]);
            if (magnitude >= low) {
                if (magnitude >= high) {
                    over++;
                } else {
                    found[inside++] = Float.floatToRawIntBits(magnitude);
                }
            }
        }
        above += over;
        return inside;
    }

    private static void addZeros(float[] zeros, float[] base, float[] model, int n) {
        int first = 0;
        for (; first + LANES <= n; first += LANES) {
            for (int j = 0; j < LANES; j++) {
                zeros[j] += (model[first + j] - base[first + j]) * 0;
            }
        }
        for (int i = first; i < n; i++) {
            zeros[i - first] += (model[i] - base[i]) * 0;
        }
    }

    /** How many magnitudes lie above the band. */
    long above() {
        return above;
    }

    /** Adds those in the band to the bins of their bits, from the lower limit on. */
    void addTo(long[] counts) {
        for (MemorySegment part : parts) {
            for (long i = 0; i < part.byteSize() / 4; i++) {
                counts[part.getAtIndex(ValueLayout.JAVA_INT, i) - limits.low()]++;
            }
        }
    }

    /** How many are equal to {@code bits}, which lie in the band. */
    long equal(int bits) {
        long count = 0;
        for (MemorySegment part : parts) {
            for (long i = 0; i < part.byteSize() / 4; i++) {
                count += part.getAtIndex(ValueLayout.JAVA_INT, i) == bits ? 1 : 0;
            }
        }
        return count;
    }
}
