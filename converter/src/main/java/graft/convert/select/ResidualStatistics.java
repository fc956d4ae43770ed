package graft.convert.select;

import graft.convert.plan.TensorPair;

import java.io.IOException;
import java.util.Arrays;
import java.util.stream.IntStream;

/**
 * What one pass over a residual u = model − base tells: how many entries lie in each eighth of an
 * octave of magnitude, and their sums. Enough to say what any density would cost and keep, before
 * anything is selected. About {@value #BIN_BYTES} bytes for each such bin that has an entry, of
 * which a trained tensor has some hundred. A value, safe from any thread.
 */
public final class ResidualStatistics {
    private static final int SHIFT = 20; // sign and exponent, three bits of mantissa
    private static final int BINS = 0x7f80 >>> SHIFT - 16;
    private static final int BIN_BYTES = Short.BYTES + 3 * Long.BYTES;

    private final long elements;
    private final long nonZeros;
    private final double energy;
    private final double modelEnergy;
    private final short[] bins; // those with entries, ascending
    private final long[] above; // entries in bins[i] and after, and a last one of 0
    private final double[] magnitudes; // sums in bins[i]
    private final double[] energies;

    private ResidualStatistics(Pass pass) {
        this.elements = pass.pair.elements();
        this.nonZeros = elements - pass.counts[0];
        this.energy = pass.energy;
        this.modelEnergy = pass.modelEnergy;
        int[] used = IntStream.range(0, BINS).filter(bin -> pass.counts[bin] > 0).toArray();
        this.bins = new short[used.length];
        this.above = new long[used.length + 1];
        this.magnitudes = new double[used.length];
        this.energies = new double[used.length];
        for (int i = used.length - 1; i >= 0; i--) {
            bins[i] = (short) used[i];
            above[i] = above[i + 1] + pass.counts[used[i]];
            magnitudes[i] = pass.magnitudes[used[i]];
            energies[i] = pass.energies[used[i]];
        }
    }

    /**
     * One pass, on the calling thread.
     *
     * @throws graft.convert.ConversionException.UnusableValues at the first NaN or infinity
     */
    public static ResidualStatistics of(TensorPair pair) throws IOException {
        var pass = new Pass(pair);
        pair.walk(pass);
        return new ResidualStatistics(pass);
    }

    /** Sums over all bins, while the residual is walked. */
    private static final class Pass implements TensorPair.Visitor {
        private final TensorPair pair;
        private final long[] counts = new long[BINS];
        private final double[] magnitudes = new double[BINS];
        private final double[] energies = new double[BINS];
        private double energy;
        private double modelEnergy;

        Pass(TensorPair pair) {
            this.pair = pair;
        }

        @Override
        public void visit(long first, float[] base, float[] model, int count) throws IOException {
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
        return nonZeros;
    }

    /**
     * What the k largest entries hold; inside a bin they are taken as equal, which is off by less
     * than the bin's width, 1/8 of a magnitude.
     */
    public Kept largest(long k) {
        long left = Math.min(k, elements);
        double magnitude = 0;
        double kept = 0;
        for (int i = bins.length - 1; i >= 0 && left > 0; i--) {
            long taken = Math.min(left, count(i));
            double share = (double) taken / count(i);
            magnitude += share * magnitudes[i];
            kept += share * energies[i];
            left -= taken;
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
        int at = Arrays.binarySearch(bins, (short) bin);
        return at < 0 ? above[-at - 1] : above[at + 1] + count(at) * (1 - inside);
    }

    private long count(int i) {
        return above[i] - above[i + 1];
    }

    /** Σ over entries of {@code f(|u|)}, every bin taken at its mean magnitude. */
    public double sum(java.util.function.DoubleUnaryOperator f) {
        double sum = 0;
        for (int i = 0; i < bins.length; i++) {
            sum += count(i) * f.applyAsDouble(magnitudes[i] / count(i));
        }
        return sum;
    }
}
