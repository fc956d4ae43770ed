package graft.convert.select;

import graft.convert.plan.TensorPair;

import java.io.IOException;

/**
 * Magnitudes of a small part of a residual, in bins: enough to guess where the k-th largest lies.
 * What is done with a guess must be exact whatever it is. A value, but for its array.
 *
 * @param high counts by the top 16 bits
 * @param seen elements looked at
 * @param elements of the tensor
 */
record MagnitudeSample(int[] high, long seen, long elements) {
    /** The floor that all residuals reach but those of zero. */
    static final int LOWEST = 1;

    static final int BINS = 1 << 15;

    private static final int MOST = 1 << 16;
    private static final int RUN = 1 << 11;

    /** Of a tensor's parts as {@link #visit} has them. */
    static MagnitudeSample of(TensorPair pair) throws IOException {
        MagnitudeSample sample = empty(pair.elements());
        visit(
                pair.elements(),
                (first, count) ->
                        pair.walk(first, count, (_, base, model, n) -> sample.add(base, model, n)));
        return sample;
    }

    /** Before any part was added. */
    static MagnitudeSample empty(long elements) {
        return new MagnitudeSample(new int[BINS], Math.min(elements, MOST), elements);
    }

    /** Runs at equal distances, or all if they are few. */
    static void visit(long elements, LargestEntries.Part part) throws IOException {
        if (elements <= MOST) {
            part.visit(0, (int) elements);
            return;
        }
        int runs = MOST / RUN;
        for (int run = 0; run < runs; run++) {
            part.visit(elements / runs * run, RUN);
        }
    }

    void add(float[] base, float[] model, int count) {
        for (int i = 0; i < count; i++) {
            high[MagnitudeHistogram.magnitude(base[i], model[i]) >>> 16]++;
        }
    }

    /** Adds what the tensor probably has in each bin. */
    void addTo(double[] counts) {
        double weight = seen == 0 ? 0 : (double) elements / seen;
        for (int bin = 0; bin < high.length; bin++) {
            counts[bin] += weight * high[bin];
        }
    }

    /**
     * Bits of a magnitude that most probably at least {@code k} elements reach, and not many more.
     *
     * @param margin how much further to go than chance asks for
     */
    int floor(long k, double margin) {
        double expected = (double) k * seen / elements;
        double rank = seen == elements ? k : expected * (1 + margin) + 4 * Math.sqrt(expected) + 4;
        double reached = 0;
        for (int bin = MagnitudeHistogram.HIGH_BINS - 1; bin > 0; bin--) {
            reached += high[bin];
            if (reached >= Math.max(1, rank)) {
                return bin << 16;
            }
        }
        return LOWEST;
    }
}
