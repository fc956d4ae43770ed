package graft.convert.merge;

import graft.convert.plan.NamePattern;

import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/**
 * A merge method and what it needs.
 *
 * @param method how task vectors are joined
 * @param weight λ, the share of every task vector, or of the joined one where signs are elected
 * @param weights per fine-tune, in their order; empty for the same for all
 * @param patterns weights of tensors whose name matches, {@code *} for any characters; the first
 *     match counts, before the others
 * @param density share of entries kept by methods that trim or drop
 * @param gamma share of the largest entries that breadcrumbs drop
 * @param globally whether trimming looks at all tensors of a task vector together
 * @param normalise whether a sum is divided by the sum of its weights, as mergekit does for TIES
 * @param alpha by which RegMean multiplies what of a Gram matrix is not its diagonal
 * @param seed of DARE
 */
public record MergeOptions(
        MergeMethod method,
        double weight,
        List<Double> weights,
        Map<String, Double> patterns,
        double density,
        double gamma,
        boolean globally,
        boolean normalise,
        double alpha,
        long seed) {
    /** FusionBench's value, not known to be the paper's. */
    public static final double DEFAULT_WEIGHT = 0.3;

    /** RegMean's own, for most of its models. */
    public static final double DEFAULT_ALPHA = 0.9;

    /**
     * @throws IllegalArgumentException naming the option that is out of range
     */
    public MergeOptions {
        weights = List.copyOf(weights);
        patterns = java.util.Collections.unmodifiableMap(new java.util.LinkedHashMap<>(patterns));
        boolean finite = Double.isFinite(weight);
        for (double each : weights) {
            finite &= Double.isFinite(each);
        }
        for (double each : patterns.values()) {
            finite &= Double.isFinite(each);
        }
        if (!finite) {
            throw new IllegalArgumentException("weight is no number");
        }
        if (!(density > 0 && density <= 1)) {
            throw new IllegalArgumentException("density %s is outside (0, 1]".formatted(density));
        }
        if (!(gamma >= 0 && gamma < 1)) {
            throw new IllegalArgumentException("gamma %s is outside [0, 1)".formatted(gamma));
        }
        if (!(alpha >= 0 && alpha <= 1)) {
            throw new IllegalArgumentException("alpha %s is outside [0, 1]".formatted(alpha));
        }
    }

    /** The same without statistics of RegMean, whose alpha is the customary one. */
    public MergeOptions(
            MergeMethod method,
            double weight,
            List<Double> weights,
            Map<String, Double> patterns,
            double density,
            double gamma,
            boolean globally,
            boolean normalise,
            long seed) {
        this(
                method,
                weight,
                weights,
                patterns,
                density,
                gamma,
                globally,
                normalise,
                DEFAULT_ALPHA,
                seed);
    }

    /** Task arithmetic with one weight for all. */
    public static MergeOptions taskArithmetic(double weight) {
        return of(MergeMethod.TASK_ARITHMETIC, weight);
    }

    /** A method with its customary values: density 0.2 for TIES, else 0.1, gamma 0.01. */
    public static MergeOptions of(MergeMethod method, double weight) {
        double density = method == MergeMethod.TIES ? 0.2 : 0.1;
        return new MergeOptions(
                method, weight, List.of(), Map.of(), density, 0.01, false, false, 17);
    }

    /** λ of fine-tune {@code model} in tensor {@code name}. */
    double weightOf(int model, String name) {
        for (var pattern : patterns.entrySet()) {
            if (NamePattern.matches(pattern.getKey(), name)) {
                return pattern.getValue();
            }
        }
        return weights.isEmpty() ? weight : weights.get(model);
    }

    /** By name, for the ledger. */
    public Map<String, Object> words() {
        Map<String, Object> words = new TreeMap<>();
        words.put("method", method.word());
        words.put("weight", weight);
        for (int i = 0; i < weights.size(); i++) {
            words.put("weight " + i, weights.get(i));
        }
        patterns.forEach((pattern, share) -> words.put("weight " + pattern, share));
        boolean drops = method == MergeMethod.DARE || method == MergeMethod.DARE_TIES;
        if (method.trims() || drops) {
            words.put("density", density);
        }
        if (method == MergeMethod.BREADCRUMBS) {
            words.put("gamma", gamma);
        }
        if (method.trims()) {
            words.put("scope", globally ? "global" : "tensor");
        }
        if (drops) {
            words.put("seed", seed);
        }
        if (method == MergeMethod.REGMEAN) {
            words.put("alpha", alpha);
        }
        if (normalise) {
            words.put("normalize", true);
        }
        return words;
    }
}
