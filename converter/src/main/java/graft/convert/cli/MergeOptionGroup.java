package graft.convert.cli;

import graft.convert.merge.MergeMethod;
import graft.convert.merge.MergeOptions;
import graft.formats.tensor.DType;

import org.jspecify.annotations.Nullable;

import picocli.CommandLine.Option;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Collectors;

/** How fine-tunes are merged, for {@code merge}, {@code convert} and {@code sweep}. */
final class MergeOptionGroup {
    @Option(
            names = "--method",
            paramLabel = "NAME",
            description =
                    "task-arithmetic (default), mean, ties, dare, dare-ties, breadcrumbs, emr, fisher, tsv,"
                            + " regmean.")
    String method = MergeMethod.TASK_ARITHMETIC.word();

    @Option(
            names = "--weight",
            split = ",",
            paramLabel = "F",
            description =
                    "Share of every task vector (λ), or one per fine-tune; default 0.3, and 1 where signs"
                            + " are elected and for tsv.")
    List<Double> weight = new ArrayList<>();

    @Option(
            names = "--tensor-weight",
            paramLabel = "PATTERN=F",
            description = "Weight of tensors whose name matches; the first match counts.")
    Map<String, Double> tensorWeight = new LinkedHashMap<>();

    @Option(
            names = "--merge-density",
            paramLabel = "F",
            description = "Share of entries that ties, dare and breadcrumbs keep.")
    @Nullable Double density;

    @Option(
            names = "--gamma",
            paramLabel = "F",
            description = "Share of the largest entries that breadcrumbs drop; default 0.01.")
    @Nullable Double gamma;

    @Option(
            names = "--merge-scope",
            paramLabel = "global|tensor",
            description = "Trim each task vector as a whole or tensor by tensor (default).")
    @Nullable Scope scope;

    @Option(
            names = "--alpha",
            paramLabel = "F",
            description = "By which regmean multiplies off-diagonals; default 0.9.")
    @Nullable Double alpha;

    /** Over what entries are trimmed. */
    enum Scope {
        /** The whole task vector. */
        global,
        /** Each tensor. */
        tensor
    }

    @Option(names = "--merge-seed", paramLabel = "N", description = "Of dare; default 17.")
    @Nullable Long seed;

    @Option(
            names = "--dtype",
            paramLabel = FloatTypes.LABEL,
            converter = FloatTypes.class,
            description = "Type of the merged tensors; default the base's.")
    @Nullable DType dtype;

    /** Type of the merged tensors, if it is not the base's. */
    Optional<DType> dtype() {
        return Optional.ofNullable(dtype);
    }

    /** The same for verbs that take no statistics. */
    MergeOptions optionsWithoutStatistics(int models) {
        MergeOptions options = options(models);
        if (options.method().needsStatistics()) {
            throw new UsageException(
                    "--method %s needs --statistics, which graft merge alone takes"
                            .formatted(method),
                    "merge with graft merge, then graft sparsify each fine-tune with the result as"
                            + " --base");
        }
        return options;
    }

    /**
     * The options, checked.
     *
     * @param models how many fine-tunes there are
     */
    MergeOptions options(int models) {
        MergeMethod chosen =
                MergeMethod.of(method)
                        .orElseThrow(() ->
                                new UsageException(
                                        "--method " + method,
                                        "one of "
                                                + Arrays.stream(MergeMethod.values())
                                                        .map(MergeMethod::word)
                                                        .collect(Collectors.joining(", "))));
        boolean whole =
                chosen == MergeMethod.TIES
                        || chosen == MergeMethod.DARE_TIES
                        || chosen == MergeMethod.EMR
                        || chosen == MergeMethod.TSV;
        if (weight.size() > 1 && weight.size() != models) {
            throw new UsageException(
                    "--weight has %d values for %d fine-tunes".formatted(weight.size(), models),
                    "give one, or one per fine-tune: --weight 0.3,0.5");
        }
        refuseUnused(chosen);
        MergeOptions defaults = MergeOptions.of(chosen, whole ? 1 : MergeOptions.DEFAULT_WEIGHT);
        try {
            return new MergeOptions(
                    chosen,
                    weight.size() == 1 ? weight.getFirst() : defaults.weight(),
                    weight.size() > 1 ? weight : List.of(),
                    tensorWeight,
                    density == null ? defaults.density() : density,
                    gamma == null ? defaults.gamma() : gamma,
                    scope == Scope.global,
                    MergeOptions.divides(chosen),
                    alpha == null ? defaults.alpha() : alpha,
                    seed == null ? defaults.seed() : seed,
                    List.of());
        } catch (IllegalArgumentException e) {
            boolean isDensity = String.valueOf(e.getMessage()).startsWith("density");
            throw new UsageException(
                    (isDensity ? "--merge-" : "--") + e.getMessage(),
                    "--merge-density takes a share such as 0.2, --gamma one below 1, --alpha one from 0"
                            + " to 1, --weight any number");
        }
    }

    /** What would have no effect was meant for something. */
    private void refuseUnused(MergeMethod chosen) {
        refuseUnless(
                chosen.weighs(), "--weight", given(weight), "all but mean, fisher and regmean");
        refuseUnless(
                chosen.weighs(),
                "--tensor-weight",
                given(tensorWeight.keySet()),
                "all but mean, fisher and regmean");
        refuseUnless(
                chosen.trims() || chosen.drops(),
                "--merge-density",
                density,
                "ties, dare, dare-ties and breadcrumbs");
        refuseUnless(chosen == MergeMethod.BREADCRUMBS, "--gamma", gamma, "breadcrumbs");
        refuseUnless(chosen.trims(), "--merge-scope", scope, "ties and breadcrumbs");
        refuseUnless(chosen == MergeMethod.REGMEAN, "--alpha", alpha, "regmean");
        refuseUnless(chosen.drops(), "--merge-seed", seed, "dare and dare-ties");
    }

    private static @Nullable Object given(Collection<?> values) {
        return values.isEmpty() ? null : values;
    }

    private void refuseUnless(boolean used, String option, @Nullable Object value, String methods) {
        if (value != null && !used) {
            throw new UsageException(
                    "%s has no effect on --method %s".formatted(option, method),
                    "it is for %s; leave it out, or choose one of them".formatted(methods));
        }
    }
}
