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

    /** Magnitudes that are moved out of the heap together. */
    private static final int BLOCK = 1 << 14;

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
        int largest = new Pass(band, arena).run(pair, room);
        if (largest >= MagnitudeHistogram.INFINITY_BITS) {
            MagnitudeHistogram.checkFinite(pair);
        }
        return band;
    }

    /** What is needed only while a residual is walked. */
    private static final class Pass {
        private final MagnitudeBand band;
        private final Arena arena;
        private final FloorScan scan = new FloorScan();
        private final int[] inside = new int[BLOCK];
        private int count; // of them, not yet in a part
        private int largest;

        Pass(MagnitudeBand band, Arena arena) {
            this.band = band;
            this.arena = arena;
        }

        /** The largest magnitude of all that were seen. */
        int run(TensorPair pair, AtomicLong room) throws IOException {
            boolean fits =
                    pair.walkWhile(
                            FloorScan.PART,
                            (_, base, model, n) -> {
                                if (count > BLOCK - FloorScan.PART) {
                                    store();
                                }
                                int before = count;
                                take(scan.scan(base, model, n, band.limits.low()));
                                return room.addAndGet(before - count) >= 0;
                            });
            if (fits) {
                store();
            }
            return largest;
        }

        /** Without a branch, which would be mispredicted. */
        private void take(int found) {
            int taken = count;
            int most = largest;
            int highest = band.limits.high() - 1;
            for (int j = 0; j < found; j++) {
                int magnitude = scan.magnitude(scan.found(j));
                inside[taken] = magnitude;
                taken += 1 - (highest - magnitude >>> 31);
                most = Math.max(most, magnitude);
            }
            band.above += count + found - taken;
            count = taken;
            largest = most;
        }

        private void store() {
            if (count > 0) {
                MemorySegment part = arena.allocate(4L * count, 4);
                MemorySegment.copy(inside, 0, part, ValueLayout.JAVA_INT, 0, count);
                band.parts.add(part);
                count = 0;
            }
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
