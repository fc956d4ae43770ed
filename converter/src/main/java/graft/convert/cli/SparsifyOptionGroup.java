package graft.convert.cli;

import graft.convert.sparsify.Amount;
import graft.convert.sparsify.Gain;
import graft.convert.sparsify.SparsifyOptions;
import graft.convert.sparsify.Values;

import org.jspecify.annotations.Nullable;

import picocli.CommandLine.Option;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** How residuals are stored, for {@code sparsify} and {@code convert}. */
final class SparsifyOptionGroup {
    /** Sets of options that belong together. */
    enum Preset {
        /** PERU-FFT as published: global, exact values, no gain. */
        paper,
        /** Dithered integers, as coarse as the model bears; with a density, signs. */
        compact
    }

    private static final double DEFAULT_DENSITY = 0.05;

    @Option(
            names = "--preset",
            paramLabel = "compact|paper",
            description = {
                "compact (default): dithered integers, in each tensor as coarse as the model bears;"
                        + " with --density or --count, signs with projection gain, by tensor.",
                "paper: PERU-FFT as published, the largest entries of all, values as they are."
            })
    Preset preset = Preset.compact;

    @Option(
            names = "--density",
            paramLabel = "F",
            description = "Share of entries to keep, in (0, 1]; with --preset paper default 0.05.")
    @Nullable Double density;

    @Option(names = "--count", paramLabel = "N", description = "Entries to keep of each model.")
    @Nullable Long count;

    @Option(
            names = "--size",
            paramLabel = "BYTES",
            description = "Bytes for the deltas of all models together, such as 50MB or 50MiB.")
    @Nullable String size;

    @Option(
            names = "--step",
            paramLabel = "C",
            description = "With --select stochastic or dither: step in units of a tensor's rms.")
    @Nullable Double step;

    @Option(
            names = "--noise",
            paramLabel = "F",
            description = "With --select dither or stochastic: noise on the weights to allow.")
    @Nullable Double noise;

    @Option(
            names = "--blocks",
            paramLabel = "N:M",
            description = "Keep the N largest of every M neighbours.")
    @Nullable String blocks;

    @Option(
            names = "--scope",
            paramLabel = "global|tensor|energy",
            description =
                    "Choose the largest entries of the whole model, of each tensor, or of each in"
                            + " proportion to its rms residual.")
    SparsifyOptions.@Nullable Scope scope;

    @Option(
            names = "--select",
            paramLabel = "magnitude|random|stochastic|dither",
            description =
                    "The largest entries; a random share, scaled up; or all, rounded at random.")
    SparsifyOptions.@Nullable Select select;

    @Option(
            names = "--values",
            paramLabel = "exact|f16|bf16|int4|sign|signrow",
            description = "What is stored per kept entry.")
    @Nullable Values values;

    @Option(
            names = "--gain",
            paramLabel = "none|norm|projection",
            description = "Whether the kept part gets the residual's length back.")
    @Nullable Gain gain;

    @Option(names = "--seed", paramLabel = "N", description = "Of random choices; default 17.")
    long seed = SparsifyOptions.DEFAULT_SEED;

    @Option(
            names = "--tensor-density",
            paramLabel = "PATTERN=F",
            description =
                    "Density of tensors whose name matches, '*' for any characters; 0 drops their"
                            + " residual. May be repeated; the first match counts.")
    Map<String, Double> tensorDensity = new LinkedHashMap<>();

    @Option(
            names = "--exclude-tensor",
            paramLabel = "PATTERN",
            description = "Drop the residual of tensors whose name matches.")
    List<String> excluded = new ArrayList<>();

    /** The options, checked. */
    SparsifyOptions options() {
        try {
            return checked();
        } catch (IllegalArgumentException e) {
            throw new UsageException(
                    "--" + e.getMessage(),
                    "--density takes a share such as 0.05, --step goes with --select dither or"
                            + " stochastic, --gain with values other than exact");
        }
    }

    private SparsifyOptions checked() {
        List<Amount> amounts = new ArrayList<>();
        if (density != null) {
            amounts.add(new Amount.Density(density));
        }
        if (count != null) {
            amounts.add(new Amount.Count(count));
        }
        if (size != null) {
            amounts.add(new Amount.Bytes(Sizes.parse("--size", size)));
        }
        if (step != null) {
            amounts.add(new Amount.Step(step));
        }
        if (noise != null) {
            amounts.add(new Amount.Noise(noise));
        }
        if (blocks != null) {
            amounts.add(blocks(blocks));
        }
        if (amounts.size() > 1) {
            throw new UsageException(
                    "--density, --count, --size, --step, --noise and --blocks exclude each other",
                    "use one of them");
        }
        return resolve(amounts.isEmpty() ? null : amounts.getFirst());
    }

    private SparsifyOptions resolve(@Nullable Amount given) {
        SparsifyOptions defaults = SparsifyOptions.compact();
        boolean plain = select == null && values == null && gain == null && scope == null;
        boolean coarse =
                given instanceof Amount.Density
                        || given instanceof Amount.Count
                        || given instanceof Amount.Blocks;
        if (preset == Preset.paper) {
            defaults = SparsifyOptions.paper(DEFAULT_DENSITY);
        } else if (coarse || (given == null && !plain && !rounds())) {
            defaults = SparsifyOptions.signs(DEFAULT_DENSITY);
        }
        var newSelect =
                select != null
                        ? select
                        : given instanceof Amount.Blocks
                                ? SparsifyOptions.Select.blocks
                                : given instanceof Amount.Step || given instanceof Amount.Noise
                                        ? SparsifyOptions.Select.dither
                                        : defaults.select();
        boolean random = newSelect == SparsifyOptions.Select.random;
        var newValues = values != null ? values : random ? Values.f16 : defaults.values();
        var newGain = newValues == Values.exact || random ? Gain.none : defaults.gain();
        boolean global =
                newSelect == SparsifyOptions.Select.magnitude
                        || defaults.scope() != SparsifyOptions.Scope.global;
        return new SparsifyOptions(
                newSelect,
                scope != null ? scope : global ? defaults.scope() : SparsifyOptions.Scope.tensor,
                given != null ? given : defaults.amount(),
                newValues,
                gain != null ? gain : newGain,
                seed,
                overrides());
    }

    private boolean rounds() {
        return select == SparsifyOptions.Select.dither
                || select == SparsifyOptions.Select.stochastic;
    }

    private List<SparsifyOptions.Override> overrides() {
        List<SparsifyOptions.Override> overrides = new ArrayList<>();
        excluded.forEach(pattern -> overrides.add(new SparsifyOptions.Override(pattern, 0)));
        tensorDensity.forEach(
                (pattern, share) -> overrides.add(new SparsifyOptions.Override(pattern, share)));
        return overrides;
    }

    private static Amount blocks(String text) {
        String[] parts = text.split(":", -1);
        try {
            return new Amount.Blocks(Integer.parseInt(parts[0]), Integer.parseInt(parts[1]));
        } catch (NumberFormatException | ArrayIndexOutOfBoundsException e) {
            throw new UsageException("--blocks " + text, "--blocks takes N:M such as 2:4");
        }
    }
}
