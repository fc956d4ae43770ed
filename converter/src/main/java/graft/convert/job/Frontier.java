package graft.convert.job;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.MissingNode;

import graft.convert.export.ExportGraph;
import graft.convert.export.ModelChanges;
import graft.convert.merge.MergeOptions;
import graft.convert.plan.Progress;
import graft.convert.plan.Workers;
import graft.convert.sparsify.SparsifyOptions;
import graft.formats.checkpoint.Checkpoint;
import graft.formats.delta.DeltaHeader;
import graft.formats.delta.DeltaReader;
import graft.formats.io.StagedOutput;
import graft.formats.onnx.OnnxModel;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Predicate;
import java.util.stream.IntStream;

/**
 * Accuracy against bytes on a family: every row of its {@code expected.json} that Graft can make,
 * and Graft's default at several levels of noise, written as real files, exported and scored in
 * ONNX Runtime.
 */
public final class Frontier {
    private static final double[] NOISES = {0.1, 0.2, 0.3, 0.5, 0.7, 1, 2, 4};

    /**
     * One way to store all tasks.
     *
     * @param label for people
     * @param kind what belongs together
     * @param correct right answers per task, in the family's order
     * @param expected the reference's, as far as it has them
     * @param rows scored per task
     * @param bytes of weight files per task, the task's head included; 0 for merged models alone
     * @param ratio mean over tasks of accuracy over the fine-tune's
     * @param worst the worst task's
     */
    public record Point(
            String label,
            String kind,
            List<Integer> correct,
            List<Integer> expected,
            int rows,
            long bytes,
            double ratio,
            double worst) {
        /** Rows by which the task furthest from the reference differs; 0 without reference. */
        public int distance() {
            int most = 0;
            for (int i = 0; i < expected.size(); i++) {
                most = Math.max(most, Math.abs(expected.get(i) - correct.get(i)));
            }
            return most;
        }
    }

    private final Family family;
    private final Path work;
    private final Map<String, EvaluationRows> evaluation = new HashMap<>();
    private final List<Integer> whole = new ArrayList<>();
    private final Map<Optional<MergeOptions>, Path> merged = new ConcurrentHashMap<>();

    private Frontier(Family family, Path work) {
        this.family = family;
        this.work = work;
    }

    /**
     * @param folder laid out as {@link Family} says, with {@code expected.json}
     * @param wanted which rows to measure, by label
     * @return in the reference's order, then Graft's own
     */
    public static List<Point> measure(
            Path folder, Predicate<String> wanted, int threads, Progress progress)
            throws IOException {
        Family family = Family.open(folder);
        List<ReferenceRow> rows = new ArrayList<>();
        JsonNode reference =
                new ObjectMapper().readTree(folder.resolve("expected.json").toFile()).path("rows");
        reference.forEach(row -> ReferenceRow.of(row).ifPresent(rows::add));
        for (double noise : NOISES) {
            rows.add(own(noise));
        }
        rows.removeIf(row -> !wanted.test(row.label()));
        Path work = Files.createTempDirectory("graft-frontier");
        try (var workers = new Workers(threads)) {
            var frontier = new Frontier(family, work);
            for (String task : family.tasks()) {
                frontier.evaluation.put(task, EvaluationRows.read(family.rows(task)));
                frontier.whole.add(frontier.score(task, Optional.empty(), "whole-" + task));
            }
            for (ReferenceRow row : rows) {
                frontier.base(row.merge());
            }
            progress.phase("score %d settings".formatted(rows.size()), rows.size());
            return workers.map(
                    IntStream.range(0, rows.size()).boxed().toList(),
                    i -> {
                        Point point = frontier.point(rows.get(i), "row-" + i);
                        progress.advance(1);
                        return point;
                    });
        } finally {
            StagedOutput.deleteTree(work);
        }
    }

    private static ReferenceRow own(double noise) {
        boolean isDefault = noise == SparsifyOptions.DEFAULT_NOISE;
        return new ReferenceRow(
                "compact, noise " + noise + (isDefault ? " (default)" : ""),
                "compact",
                Optional.of(MergeOptions.taskArithmetic(MergeOptions.DEFAULT_WEIGHT)),
                Optional.of(SparsifyOptions.compact(noise)),
                MissingNode.getInstance());
    }

    /** θ*; θ₀ itself without a merge. */
    private Path base(Optional<MergeOptions> merge) throws IOException {
        Path known = merged.get(merge);
        if (known != null) {
            return known;
        }
        Path out = merge.isEmpty() ? family.base() : work.resolve("merged-" + merged.size());
        if (merge.isPresent()) {
            FamilyModels.merge(family, merge.get(), out);
        }
        merged.put(merge, out);
        return out;
    }

    private Point point(ReferenceRow row, String name) throws IOException {
        List<Integer> correct = new ArrayList<>();
        List<Integer> expected = new ArrayList<>();
        int count = 0;
        long bytes = 0;
        double ratio = 0;
        double worst = Double.POSITIVE_INFINITY;
        for (int t = 0; t < family.tasks().size(); t++) {
            String task = family.tasks().get(t);
            String own = name + "-" + task;
            Path merged = base(row.merge());
            Optional<Path> delta = row.sparsify().map(_ -> work.resolve(own));
            if (delta.isPresent()) {
                FamilyModels.sparsify(family, task, merged, row.sparsify().get(), delta.get());
                bytes += Files.size(delta.get().resolve(DeltaHeader.FILE_NAME));
            }
            int right = score(task, Optional.of(new Over(merged, delta)), own);
            correct.add(right);
            JsonNode score = row.tasks().path(task);
            if (score.has("correct_eval")) {
                expected.add(score.path("correct_eval").asInt());
            }
            count = rows(task).rows();
            double share = (double) right / whole.get(t);
            ratio += share / family.tasks().size();
            worst = Math.min(worst, share);
        }
        return new Point(
                row.label(),
                row.kind(),
                correct,
                expected,
                count,
                bytes / family.tasks().size(),
                ratio,
                worst);
    }

    /** A model as θ* and a delta over it, or θ* with the task's head alone. */
    private record Over(Path base, Optional<Path> delta) {}

    private int score(String task, Optional<Over> model, String name) throws IOException {
        Path folder = Files.createDirectory(work.resolve("onnx-" + name));
        try (var graph = OnnxModel.open(family.graph());
                var base = Checkpoint.open(family.base());
                var tuned = Checkpoint.open(family.fineTune(task));
                var merged = Checkpoint.open(model.map(Over::base).orElse(family.base()))) {
            var export = new ExportGraph(graph, base);
            export.buildOn(ModelChanges.ofCheckpoint(base, merged));
            if (model.isEmpty()) {
                export.merged(task, ModelChanges.ofCheckpoint(base, tuned), folder);
            } else if (model.get().delta().isEmpty()) {
                export.merged(task, FamilyModels.heads(base, tuned), folder);
            } else {
                try (var delta = DeltaReader.open(model.get().delta().get())) {
                    export.merged(task, ModelChanges.ofDelta(merged, delta), folder);
                }
            }
        }
        int correct = Score.correct(folder, task, rows(task));
        StagedOutput.deleteTree(folder);
        return correct;
    }

    private EvaluationRows rows(String task) {
        return Objects.requireNonNull(evaluation.get(task));
    }
}
