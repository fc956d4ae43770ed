package graft.convert.job;

import graft.convert.export.ModelChanges;
import graft.convert.export.TensorChange;
import graft.convert.merge.MergeModels;
import graft.convert.merge.MergeOptions;
import graft.convert.merge.MergeRequest;
import graft.convert.plan.Progress;
import graft.convert.sparsify.SparsifyModel;
import graft.convert.sparsify.SparsifyOptions;
import graft.convert.sparsify.SparsifyRequest;
import graft.formats.checkpoint.Checkpoint;
import graft.formats.checkpoint.CheckpointWriter;
import graft.formats.tensor.DType;

import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;

/** What is made of a family's fine-tunes to be scored. */
final class FamilyModels {
    private FamilyModels() {}

    /** θ*, in float32 as the reference's: F16 moves thresholds. */
    static void merge(Family family, MergeOptions options, Path out) throws IOException {
        List<MergeRequest.FineTune> models =
                family.tasks().stream()
                        .map(task -> new MergeRequest.FineTune(family.fineTune(task), name(task)))
                        .toList();
        new MergeModels()
                .run(
                        new MergeRequest(
                                family.base(),
                                "base",
                                models,
                                options,
                                List.of(),
                                Optional.of(DType.F32),
                                CheckpointWriter.DEFAULT_SHARD_BYTES,
                                out,
                                false,
                                0,
                                Progress.NONE));
    }

    /** A task's delta over {@code merged}, on one thread. */
    static void sparsify(Family family, String task, Path merged, SparsifyOptions options, Path out)
            throws IOException {
        new SparsifyModel()
                .run(
                        new SparsifyRequest(
                                family.fineTune(task),
                                name(task),
                                merged,
                                "merged",
                                options,
                                out,
                                false,
                                false,
                                1,
                                Progress.NONE));
    }

    /** What the base lacks: all that a merged model takes from one task. */
    static List<TensorChange> heads(Checkpoint base, Checkpoint tuned) {
        return ModelChanges.ofCheckpoint(base, tuned).stream()
                .filter(change -> base.find(change.info().name()).isEmpty())
                .toList();
    }

    private static String name(String task) {
        return "fft-" + task;
    }
}
