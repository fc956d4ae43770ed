package graft.convert.job;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.MissingNode;

import graft.convert.merge.MergeMethod;
import graft.convert.merge.MergeOptions;
import graft.convert.sparsify.Amount;
import graft.convert.sparsify.Gain;
import graft.convert.sparsify.SparsifyOptions;
import graft.convert.sparsify.Values;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * A row of a family's {@code expected.json} as options of ours.
 *
 * @param label for people
 * @param kind what is drawn in one colour
 * @param merge θ*; empty for θ₀
 * @param sparsify the residual; empty for none
 * @param tasks the row's own scores per task; missing where Graft codes values otherwise
 */
record ReferenceRow(
        String label,
        String kind,
        Optional<MergeOptions> merge,
        Optional<SparsifyOptions> sparsify,
        JsonNode tasks) {
    private static final Map<String, Optional<MergeOptions>> MERGES =
            Map.of(
                    "theta0", Optional.empty(),
                    "average", Optional.of(MergeOptions.of(MergeMethod.MEAN, 1)),
                    "ta0.3", Optional.of(MergeOptions.taskArithmetic(0.3)),
                    "ta_tuned", Optional.of(MergeOptions.taskArithmetic(0.7)),
                    "ties_tuned", Optional.of(ties()));

    private static MergeOptions ties() {
        return new MergeOptions(MergeMethod.TIES, 1, List.of(), Map.of(), 0.2, 0, true, true, 0);
    }

    /** Empty for rows of adapters and for codings that Graft has not. */
    static Optional<ReferenceRow> of(JsonNode row) {
        String method = row.path("method").asText();
        String merge = row.path("merge").asText();
        return switch (method) {
            case "theta_0 encoder + task head" -> merged(row, method, "theta0");
            case "average (lambda 1/T)" -> merged(row, method, "average");
            case "task arithmetic" -> merged(row, method, "ta0.3");
            case "task arithmetic tuned" -> merged(row, method, "ta_tuned");
            case "TIES density 0.2" -> merged(row, method, "ties_tuned");
            case "merged + top-m residual", "top-m of v_t on theta_0 (control)" ->
                    residual(row, merge);
            case "stochastic rounding" -> rounded(row, merge, SparsifyOptions.Select.stochastic);
            case "subtractive dither" -> rounded(row, merge, SparsifyOptions.Select.dither);
            default -> Optional.empty();
        };
    }

    private static Optional<ReferenceRow> merged(JsonNode row, String label, String merge) {
        return Optional.of(
                new ReferenceRow(
                        label,
                        "merged alone",
                        MERGES.getOrDefault(merge, Optional.empty()),
                        Optional.empty(),
                        row.path("tasks")));
    }

    private static Optional<ReferenceRow> rounded(
            JsonNode row, String merge, SparsifyOptions.Select select) {
        double step = row.path("step").asDouble();
        var options =
                new SparsifyOptions(
                        select,
                        SparsifyOptions.Scope.tensor,
                        new Amount.Step(step),
                        Values.sign,
                        Gain.none,
                        row.path("seed").asLong(),
                        List.of());
        return of(row, merge, select + " step " + step, select.name(), options);
    }

    private static Optional<ReferenceRow> residual(JsonNode row, String merge) {
        Optional<Coding> coding = Coding.of(row.path("values").asText());
        if (coding.isEmpty()) {
            return Optional.empty();
        }
        List<SparsifyOptions.Override> overrides = new ArrayList<>();
        String pool = row.path("pool").asText();
        if (pool.equals("noemb")) {
            overrides.add(new SparsifyOptions.Override("*embeddings*", 0));
        }
        if (row.path("keep_1d_whole").asBoolean()) {
            overrides.add(new SparsifyOptions.Override("*.bias", 1));
            overrides.add(new SparsifyOptions.Override("*LayerNorm.weight", 1));
        }
        String scope = row.path("selection").asText();
        double m = row.path("m").asDouble();
        var options =
                new SparsifyOptions(
                        SparsifyOptions.Select.magnitude,
                        SparsifyOptions.Scope.valueOf(scope),
                        new Amount.Density(m),
                        coding.get().values(),
                        coding.get().gain(),
                        0,
                        overrides);
        String kind = scope + " " + row.path("values").asText();
        String extra =
                overrides.isEmpty() ? "" : pool.isEmpty() ? ", 1-D whole" : ", no embeddings";
        return of(row, merge, "%s m %s%s".formatted(kind, m, extra), kind, options)
                .map(found -> coding.get().isReferences() ? found : found.withoutScores());
    }

    private ReferenceRow withoutScores() {
        return new ReferenceRow(label, kind, merge, sparsify, MissingNode.getInstance());
    }

    private record Coding(Values values, Gain gain) {
        /** The reference's int4 has one range per tensor, Graft's one per group of entries. */
        boolean isReferences() {
            return values != Values.int4;
        }

        static Optional<Coding> of(String word) {
            return Optional.ofNullable(
                    switch (word) {
                        case "f32" -> new Coding(Values.exact, Gain.none);
                        case "f16" -> new Coding(Values.f16, Gain.none);
                        case "sign" -> new Coding(Values.sign, Gain.none);
                        case "signrow" -> new Coding(Values.signrow, Gain.none);
                        case "int4" -> new Coding(Values.int4, Gain.none);
                        case "norm" -> new Coding(Values.f16, Gain.norm);
                        case "proj" -> new Coding(Values.f16, Gain.projection);
                        case "signproj" -> new Coding(Values.sign, Gain.projection);
                        default -> null;
                    });
        }
    }

    private static Optional<ReferenceRow> of(
            JsonNode row, String merge, String label, String kind, SparsifyOptions options) {
        if (!MERGES.containsKey(merge)) {
            return Optional.empty();
        }
        return Optional.of(
                new ReferenceRow(
                        merge + ", " + label,
                        kind,
                        MERGES.getOrDefault(merge, Optional.empty()),
                        Optional.of(options),
                        row.path("tasks")));
    }
}
