package graft.convert.sparsify;

import graft.convert.select.ResidualStatistics;
import graft.formats.delta.SparseTensor;
import graft.formats.tensor.TensorInfo;

import org.jspecify.annotations.Nullable;

import java.util.Map;
import java.util.Objects;
import java.util.concurrent.ConcurrentHashMap;

/**
 * Expected sizes and errors of one tensor, from its statistics alone. Safe from any thread.
 *
 * @param measured null where a plan needs none, so that none were taken
 * @param dithered what was estimated of dithered steps, by step, as far as there is room: those of
 *     an allocation are asked for again and again
 */
record Estimator(
        TensorInfo info, @Nullable ResidualStatistics measured, Map<Double, Estimate> dithered) {
    /** Steps that are remembered, more than an allocation has. */
    private static final int REMEMBERED = 16;

    Estimator(TensorInfo info, @Nullable ResidualStatistics measured) {
        this(info, measured, new ConcurrentHashMap<>());
    }

    private static final double LOG_2 = Math.log(2);
    private static final int POINTS = 32; // of the integral over the random number
    private static final int LEVELS = 64;

    /** A Rice code is this close to the entropy of positions. */
    private static final double RICE = 1.025;

    ResidualStatistics statistics() {
        return Objects.requireNonNull(measured, "no statistics were taken");
    }

    long elements() {
        return info.shape().elements();
    }

    Estimate of(Treatment treatment, SparsifyOptions options) {
        return switch (treatment) {
            case Treatment.Nothing _ -> estimate(0, 0, statistics().energy());
            case Treatment.Largest(long count) -> largest(count, options);
            case Treatment.Above(var threshold) ->
                    largest(Math.round(statistics().above(threshold.magnitude())), options);
            case Treatment.Blocks(int keep, int of) ->
                    largest(statistics().elements() * keep / of, options);
            case Treatment.Drawn(double density) -> {
                double kept = density * statistics().elements();
                double lost =
                        options.values() == Values.exact
                                ? (1 - density) * statistics().energy()
                                : (1 / density - 1) * statistics().energy();
                yield estimate(valueBytes(Math.round(kept), options.values()), kept, lost);
            }
            case Treatment.Stochastic(double step) -> stochastic(step);
            case Treatment.Dithered(double step, double share) -> dithered(step).drawn(share);
        };
    }

    private Estimate estimate(double bytes, double count, double noise) {
        return new Estimate(
                bytes,
                count,
                statistics().energy(),
                statistics().modelEnergy(),
                Math.max(0, noise));
    }

    private Estimate largest(long k, SparsifyOptions options) {
        ResidualStatistics.Kept kept = statistics().largest(Math.min(k, statistics().nonZeros()));
        long count = kept.count();
        double energy = statistics().energy();
        if (count == 0) {
            return estimate(0, 0, energy);
        }
        double n = statistics().elements();
        double rice =
                Math.max(
                        RICE * n * entropy(count / n) / LOG_2,
                        (double) count); // a bit each at least
        double positions = count == statistics().elements() ? 0 : Math.min(rice, n);
        double bytes = positions / 8 + valueBytes(count, options.values());
        boolean signs = options.values() == Values.sign || options.values() == Values.signrow;
        double length; // ‖û‖²
        double along; // ⟨û, u⟩
        if (signs) {
            double scale = options.gain().ofSigns(energy, kept.magnitude(), count);
            length = count * scale * scale;
            along = scale * kept.magnitude();
        } else {
            double gain = options.gain().ofValues(energy, kept.energy());
            length = gain * gain * kept.energy();
            along = gain * kept.energy();
        }
        return estimate(bytes, count, energy - 2 * along + length);
    }

    private double valueBytes(long count, Values values) {
        long rows = SparseTensor.rows(info.shape());
        return values.codec(info.shape()).bytes(count, rows, info.dtype());
    }

    private static double entropy(double p) {
        return p <= 0 || p >= 1 ? 0 : -p * Math.log(p) - (1 - p) * Math.log(1 - p);
    }

    private Estimate dithered(double step) {
        Estimate known = dithered.get(step);
        if (known != null) {
            return known;
        }
        Estimate estimate = estimateDithered(step);
        if (dithered.size() < REMEMBERED) {
            dithered.put(step, estimate);
        }
        return estimate;
    }

    private Estimate estimateDithered(double step) {
        double bits = 0;
        for (int i = 0; i < POINTS; i++) {
            double r = (i + 0.5) / POINTS / 2; // the other half mirrors it
            bits += entropyGiven(step, r, 1 - r);
        }
        double n = statistics().elements();
        return estimate(n * bits / POINTS / 8, n, n * step * step / 12);
    }

    private Estimate stochastic(double step) {
        double bits = 0;
        for (int i = 0; i < POINTS; i++) {
            double r = (i + 0.5) / POINTS;
            bits += entropyGiven(step, 1 - r, 1 - r);
        }
        double n = statistics().elements();
        double noise =
                statistics()
                        .sum(magnitude -> {
                            double part = magnitude / step - Math.floor(magnitude / step);
                            return step * step * part * (1 - part);
                        });
        double count = statistics().sum(magnitude -> Math.min(1, magnitude / step));
        return estimate(n * bits / POINTS / 8, count, noise);
    }

    /**
     * Entropy in bits of an integer whose levels begin at {@code near} steps on one side and at
     * {@code far} on the other; residuals are as often negative as positive.
     */
    private double entropyGiven(double step, double near, double far) {
        double n = statistics().elements();
        double bits = 0;
        double zero = 1;
        for (double start : new double[] {near, far}) {
            double above = statistics().above(start * step);
            for (int level = 0; level < LEVELS && above > 0; level++) {
                double next =
                        level + 1 == LEVELS ? 0 : statistics().above((start + level + 1) * step);
                double p = (above - next) / n / 2;
                zero -= p;
                bits -= p > 0 ? p * Math.log(p) : 0;
                above = next;
            }
        }
        bits -= zero > 0 ? zero * Math.log(zero) : 0;
        return bits / LOG_2;
    }
}
