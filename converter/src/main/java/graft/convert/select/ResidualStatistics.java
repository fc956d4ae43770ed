package graft.convert.select;

import graft.convert.plan.TensorPair;

import java.io.IOException;

/**
 * What one pass over a residual u = model − base tells: how many entries lie in each eighth of an
 * octave of magnitude, and their sums. Enough to say what any density would cost and keep, before
 * anything is selected. About 65 kB per tensor, whatever its size.
 */
public final class ResidualStatistics {
    private static final int SHIFT = 20; // sign and exponent, three bits of mantissa
    private static final int BINS = 0x7f80 >>> SHIFT - 16;

    private final long elements;
    private final long[] counts = new long[BINS];
    private final long[] above = new long[BINS + 1];
    private final double[] magnitudes = new double[BINS];
    private final double[] energies = new double[BINS];
    private double energy;
    private double modelEnergy;

    private ResidualStatistics(long elements) {
        this.elements = elements;
        above[0] = -1;
    }

    /**
     * One pass, on the calling thread.
     *
     * @throws graft.convert.ConversionException.UnusableValues at the first NaN or infinity
     */
    public static ResidualStatistics of(TensorPair pair) throws IOException {
        var statistics = new ResidualStatistics(pair.elements());
        pair.walk((first, base, model, count) -> statistics.add(pair, first, base, model, count));
        return statistics;
    }

    private void add(TensorPair pair, long first, float[] base, float[] model, int count)
            throws IOException {
        double tile = 0;
        double whole = 0;
        for (int i = 0; i < count; i++) {
            float u = model[i] - base[i];
            int magnitude = Float.floatToRawIntBits(u) & Integer.MAX_VALUE;
            if (magnitude >= MagnitudeHistogram.INFINITY_BITS) {
                throw MagnitudeHistogram.notFinite(pair, first + i, base[i], model[i]);
            }
            double square = (double) u * u;
            int bin = magnitude >>> SHIFT;
            counts[bin]++;
            magnitudes[bin] += Math.abs(u);
            energies[bin] += square;
            tile += square;
            whole += (double) model[i] * model[i];
        }
        energy += tile;
        modelEnergy += whole;
    }

    /** Entries of the tensor. */
    public long elements() {
        return elements;
    }

    /** ‖u‖². */
    public double energy() {
        return energy;
    }

    /** ‖θ_t‖², of the model's own values. */
    public double modelEnergy() {
        return modelEnergy;
    }

    /** √(‖u‖²/n). */
    public double rms() {
        return elements == 0 ? 0 : Math.sqrt(energy / elements);
    }

    /** Entries that are not zero. */
    public long nonZeros() {
        return elements - counts[0];
    }

    /**
     * What the k largest entries hold; inside a bin they are taken as equal, which is off by less
     * than the bin's width, 1/8 of a magnitude.
     */
    public Kept largest(long k) {
        long left = Math.min(k, elements);
        double magnitude = 0;
        double kept = 0;
        for (int bin = BINS - 1; bin >= 0 && left > 0; bin--) {
            if (counts[bin] > 0) {
                long taken = Math.min(left, counts[bin]);
                double share = (double) taken / counts[bin];
                magnitude += share * magnitudes[bin];
                kept += share * energies[bin];
                left -= taken;
            }
        }
        return new Kept(Math.min(k, elements), magnitude, kept);
    }

    /**
     * @param count entries
     * @param magnitude Σ|u| over them
     * @param energy Σu² over them
     */
    public record Kept(long count, double magnitude, double energy) {}

    /** How many entries have a magnitude above {@code x}; linear inside a bin. */
    public double above(double x) {
        if (x <= 0) {
            return nonZeros();
        }
        int bits = Float.floatToRawIntBits((float) x);
        int bin = bits >>> SHIFT;
        if (bin >= BINS) {
            return 0;
        }
        double inside = (bits & (1 << SHIFT) - 1) * (1.0 / (1 << SHIFT));
        return suffix(bin + 1) + counts[bin] * (1 - inside);
    }

    private long suffix(int from) {
        if (above[0] < 0) {
            above[BINS] = 0;
            for (int bin = BINS - 1; bin >= 0; bin--) {
                above[bin] = above[bin + 1] + counts[bin];
            }
        }
        return above[from];
    }

    /** Σ over entries of {@code f(|u|)}, every bin taken at its mean magnitude. */
    public double sum(java.util.function.DoubleUnaryOperator f) {
        double sum = 0;
        for (int bin = 0; bin < BINS; bin++) {
            if (counts[bin] > 0) {
                sum += counts[bin] * f.applyAsDouble(magnitudes[bin] / counts[bin]);
            }
        }
        return sum;
    }
}
