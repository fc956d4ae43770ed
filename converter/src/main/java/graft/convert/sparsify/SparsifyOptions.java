package graft.convert.sparsify;

import graft.convert.plan.NamePattern;
import graft.formats.delta.CounterRandom;

import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.OptionalDouble;
import java.util.TreeMap;

/**
 * What of a residual is kept, and how.
 *
 * @param select which entries
 * @param scope over what the largest are chosen
 * @param amount how many, or how finely
 * @param values what is stored per kept entry
 * @param gain whether the residual gets its length back
 * @param seed of random selection and rounding
 * @param overrides densities of tensors whose name matches, the first match counts; 0 drops the
 *     residual
 */
public record SparsifyOptions(
        Select select,
        Scope scope,
        Amount amount,
        Values values,
        Gain gain,
        long seed,
        List<Override> overrides) {
    /** The seed of the reference. */
    public static final long DEFAULT_SEED = 17;

    /** Noise that {@link #compact()} allows; see {@link NoiseAllocation}. */
    public static final double DEFAULT_NOISE = 0.5;

    /** Which entries of a residual are stored. */
    public enum Select {
        /** The largest. */
        magnitude,
        /** The largest of every few neighbours. */
        blocks,
        /** A share drawn by seed, scaled up by its inverse (DARE); positions cost nothing. */
        random,
        /** All, rounded at random to multiples of a step: few are not zero. */
        stochastic,
        /** All, rounded with subtractive dither: the error does not depend on the residual. */
        dither;

        /** Whether values are rounded at random, to levels instead of kept or dropped. */
        boolean rounds() {
            return this == stochastic || this == dither;
        }
    }

    /** Over what the largest entries are chosen. */
    public enum Scope {
        /** All shared tensors together: exactly ⌊m·N + ½⌋ entries. */
        global,
        /** Each tensor for itself: max(1, ⌊m·n + ½⌋) entries. */
        tensor,
        /** Each tensor for itself, densities in proportion to the tensor's rms residual. */
        energy
    }

    /**
     * A density for some tensors.
     *
     * @param pattern a glob: {@code *} for any characters
     * @param density in [0, 1]
     */
    public record Override(String pattern, double density) {
        public Override {
            if (!(density >= 0 && density <= 1)) {
                throw new IllegalArgumentException(
                        "density %s is outside [0, 1]".formatted(density));
            }
        }

        boolean matches(String name) {
            return NamePattern.matches(pattern, name);
        }
    }

    /**
     * @throws IllegalArgumentException naming the option that is out of range or does not go with
     *     another
     */
    public SparsifyOptions {
        overrides = List.copyOf(overrides);
        if (values == Values.exact && gain != Gain.none) {
            throw new IllegalArgumentException(
                    "gain %s needs values other than exact".formatted(gain));
        }
        if (seed < 0 || seed >= CounterRandom.SEEDS) {
            throw new IllegalArgumentException("seed %d is outside 0..2^32-1".formatted(seed));
        }
        boolean fits =
                switch (amount) {
                    case Amount.Density _ -> !select.rounds() && select != Select.blocks;
                    case Amount.Blocks _ -> select == Select.blocks;
                    case Amount.Count _ -> select == Select.magnitude;
                    case Amount.Bytes _ -> select != Select.blocks;
                    case Amount.Step _, Amount.Noise _ -> select.rounds();
                };
        if (!fits) {
            throw new IllegalArgumentException(
                    "select %s does not go with this amount".formatted(select));
        }
        if (scope == Scope.global && select != Select.magnitude) {
            throw new IllegalArgumentException("scope global needs select magnitude");
        }
    }

    /** PERU-FFT as published. */
    public static SparsifyOptions paper(double density) {
        return new SparsifyOptions(
                Select.magnitude,
                Scope.global,
                new Amount.Density(density),
                Values.exact,
                Gain.none,
                0,
                List.of());
    }

    /** Signs that keep the length along the residual, shared out by tensor. */
    public static SparsifyOptions signs(double density) {
        return new SparsifyOptions(
                Select.magnitude,
                Scope.tensor,
                new Amount.Density(density),
                Values.sign,
                Gain.projection,
                0,
                List.of());
    }

    /** Graft's default: dithered, as coarsely in each tensor as the whole can bear. */
    public static SparsifyOptions compact() {
        return compact(DEFAULT_NOISE);
    }

    /**
     * The same at another level of noise.
     *
     * @param noise see {@link NoiseAllocation}
     */
    public static SparsifyOptions compact(double noise) {
        return new SparsifyOptions(
                Select.dither,
                Scope.tensor,
                new Amount.Noise(noise),
                Values.sign,
                Gain.none,
                DEFAULT_SEED,
                List.of());
    }

    /** What the first override that matches says; empty where none does. */
    OptionalDouble ownDensity(String name) {
        return overrides.stream()
                .filter(override -> override.matches(name))
                .mapToDouble(Override::density)
                .findFirst();
    }

    /** By name, for the ledger and the delta itself. */
    public Map<String, String> words() {
        Map<String, String> words = new TreeMap<>();
        words.put("select", select.name());
        if (select.rounds()) {
            words.put("seed", Long.toString(seed));
        } else {
            words.put("scope", scope.name());
            words.put("values", values.name());
            words.put("gain", gain.name());
        }
        if (select == Select.random) {
            words.put("seed", Long.toString(seed));
        }
        switch (amount) {
            case Amount.Density(double share) -> words.put("density", Double.toString(share));
            case Amount.Blocks(int keep, int of) -> words.put("blocks", keep + ":" + of);
            case Amount.Count(long entries) -> words.put("count", Long.toString(entries));
            case Amount.Bytes(long total) -> words.put("size", Long.toString(total));
            case Amount.Step(double rms) -> words.put("step", Double.toString(rms));
            case Amount.Noise(double level) -> words.put("noise", Double.toString(level));
        }
        int n = 0; // the first match counts, and words are sorted
        for (Override override : overrides) {
            String word = String.format(Locale.ROOT, "density %03d %s", n++, override.pattern());
            words.put(word, Double.toString(override.density()));
        }
        return words;
    }
}
