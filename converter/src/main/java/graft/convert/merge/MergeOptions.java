package graft.convert.merge;

import graft.convert.plan.NamePattern;

import java.util.List;
import java.util.Locale;
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
 * @param normalise whether a sum is divided by the sum of the weights that take part, as mergekit
 *     does for TIES
 * @param alpha by which RegMean multiplies what of a Gram matrix is not its diagonal
 * @param seed of DARE
 * @param rules values for single fine-tunes or tensors, before all others; the first match counts
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
        long seed,
        List<Rule> rules) {
    /** FusionBench's value, not known to be the paper's. */
    public static final double DEFAULT_WEIGHT = 0.3;

    /** RegMean's own, for most of its models. */
    public static final double DEFAULT_ALPHA = 0.9;

    /**
     * @throws IllegalArgumentException naming the option that is out of range
     */
    public MergeOptions {
        weights = List.copyOf(weights);
        rules = List.copyOf(rules);
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

    /**
     * A value for some tensors of some fine-tunes.
     *
     * @param parameter {@code weight}, {@code density}, {@code gamma}, or {@code lambda}, by which
     *     the joined vector is multiplied
     * @param model number of the fine-tune; below 0 for all
     * @param contained what the tensor's name contains; empty for all
     */
    public record Rule(String parameter, int model, String contained, double value) {
        boolean matches(String of, int m, String name) {
            return parameter.equals(of) && (model < 0 || model == m) && name.contains(contained);
        }
    }

    /** The same without rules and with the customary alpha, which RegMean alone needs. */
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
                seed,
                List.of());
    }

    /** Task arithmetic with one weight for all. */
    public static MergeOptions taskArithmetic(double weight) {
        return of(MergeMethod.TASK_ARITHMETIC, weight);
    }

    /** A method with its customary values: density 0.2 for TIES, else 0.1, gamma 0.01. */
    public static MergeOptions of(MergeMethod method, double weight) {
        double density = method == MergeMethod.TIES ? 0.2 : 0.1;
        return new MergeOptions(
                method, weight, List.of(), Map.of(), density, 0.01, false, divides(method), 17);
    }

    /** Whether {@code method}, as its paper has it, divides by the weights that take part. */
    public static boolean divides(MergeMethod method) {
        return method == MergeMethod.TIES || method == MergeMethod.DARE_TIES;
    }

    private double ruled(String parameter, int model, String name, double otherwise) {
        return rules.stream()
                .filter(rule -> rule.matches(parameter, model, name))
                .mapToDouble(Rule::value)
                .findFirst()
                .orElse(otherwise);
    }

    /** Share of the entries of fine-tune {@code model} that are kept in tensor {@code name}. */
    double densityOf(int model, String name) {
        return ruled("density", model, name, density);
    }

    /** Share of the largest entries that breadcrumbs drop there. */
    double gammaOf(int model, String name) {
        return ruled("gamma", model, name, gamma);
    }

    /** By which the joined vector of tensor {@code name} is multiplied. */
    double lambdaOf(String name, double otherwise) {
        return ruled("lambda", -1, name, otherwise);
    }

    /** λ of fine-tune {@code model} in tensor {@code name}. */
    double weightOf(int model, String name) {
        if (!rules.isEmpty()) {
            return ruled("weight", model, name, weights.isEmpty() ? weight : weights.get(model));
        }
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
        if (rules.isEmpty() && method.weighs()) {
            words.put("weight", weight);
        }
        for (int i = 0; i < weights.size() && rules.isEmpty(); i++) {
            words.put("weight " + i, weights.get(i));
        }
        int n = 0; // the first match counts, and words are sorted
        for (var pattern : patterns.entrySet()) {
            String word = String.format(Locale.ROOT, "weight %03d %s", n++, pattern.getKey());
            words.put(word, pattern.getValue());
        }
        if ((method.trims() || method.drops()) && rules.isEmpty()) {
            words.put("density", density);
        }
        if (method == MergeMethod.BREADCRUMBS && rules.isEmpty()) {
            words.put("gamma", gamma);
        }
        if (method.trims()) {
            words.put("scope", globally ? "global" : "tensor");
        }
        if (method.drops()) {
            words.put("seed", seed);
        }
        if (method == MergeMethod.REGMEAN) {
            words.put("alpha", alpha);
        }
        if (normalise) {
            words.put("normalize", true);
        }
        for (int i = 0; i < rules.size(); i++) {
            Rule rule = rules.get(i);
            String model = rule.model < 0 ? "" : " of " + rule.model;
            String tensors = rule.contained.isEmpty() ? "" : " in " + rule.contained;
            words.put("rule %03d: %s%s%s".formatted(i, rule.parameter, model, tensors), rule.value);
        }
        return words;
    }
}
