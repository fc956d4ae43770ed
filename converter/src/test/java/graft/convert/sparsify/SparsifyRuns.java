package graft.convert.sparsify;

import graft.convert.ledger.Ledger;
import graft.convert.ledger.TensorRecord;
import graft.convert.merge.MergeModels;
import graft.convert.merge.MergeOptions;
import graft.convert.merge.MergeRequest;
import graft.convert.plan.Progress;
import graft.formats.checkpoint.CheckpointWriter;
import graft.formats.tensor.DType;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.stream.Stream;

/** Runs of the use cases on the trained family, and ways to sparsify. */
final class SparsifyRuns {
    static final Path FAMILY = Path.of(System.getProperty("graft.testdata"), "families/mini");

    private SparsifyRuns() {}

    static Ledger run(Path model, Path base, SparsifyOptions options, int threads, Path out)
            throws IOException {
        return new SparsifyModel()
                .run(
                        new SparsifyRequest(
                                model,
                                "model",
                                base,
                                "base",
                                options,
                                out,
                                false,
                                false,
                                threads,
                                Progress.NONE));
    }

    static void apply(Path delta, Path base, Path out, boolean force) throws IOException {
        new ApplyDelta()
                .run(
                        new ApplyRequest(
                                delta,
                                "delta",
                                base,
                                "base",
                                CheckpointWriter.DEFAULT_SHARD_BYTES,
                                out,
                                force,
                                2,
                                Progress.NONE));
    }

    static Path merged(Path folder) throws IOException {
        Path merged = folder.resolve("merged");
        List<MergeRequest.FineTune> models = new ArrayList<>();
        List<String> tasks = List.of("debsection", "nounsense", "pos", "spam");
        tasks.forEach(t -> models.add(new MergeRequest.FineTune(FAMILY.resolve("fft-" + t), t)));
        new MergeModels()
                .run(
                        new MergeRequest(
                                FAMILY.resolve("base"),
                                "base",
                                models,
                                MergeOptions.taskArithmetic(0.3),
                                List.of(),
                                Optional.of(DType.F32),
                                CheckpointWriter.DEFAULT_SHARD_BYTES,
                                merged,
                                false,
                                2,
                                Progress.NONE));
        return merged;
    }

    static TensorRecord record(Ledger ledger, String name) {
        return ledger.tensors().stream()
                .filter(record -> record.name().equals(name))
                .findFirst()
                .orElseThrow();
    }

    static SparsifyOptions options(
            SparsifyOptions.Scope scope, double density, Values values, Gain gain) {
        return new SparsifyOptions(
                SparsifyOptions.Select.magnitude,
                scope,
                new Amount.Density(density),
                values,
                gain,
                17,
                List.of());
    }

    static SparsifyOptions random(SparsifyOptions.Select select, Amount amount, Values values) {
        return new SparsifyOptions(
                select, SparsifyOptions.Scope.tensor, amount, values, Gain.none, 17, List.of());
    }

    /** Every selection and every kind of value. */
    static Stream<SparsifyOptions> everyWay() {
        var tensor = SparsifyOptions.Scope.tensor;
        return Stream.of(
                SparsifyOptions.paper(0.2),
                SparsifyOptions.paper(0.6),
                SparsifyOptions.signs(0.03),
                options(tensor, 0.0002, Values.exact, Gain.none),
                SparsifyOptions.compact(),
                options(SparsifyOptions.Scope.energy, 0.1, Values.f16, Gain.norm),
                options(tensor, 0.1, Values.bf16, Gain.projection),
                options(tensor, 0.1, Values.int4, Gain.none),
                options(tensor, 0.1, Values.signrow, Gain.projection),
                random(SparsifyOptions.Select.blocks, new Amount.Blocks(2, 8), Values.exact),
                random(SparsifyOptions.Select.random, new Amount.Density(0.2), Values.f16),
                random(SparsifyOptions.Select.stochastic, new Amount.Step(6), Values.sign),
                random(SparsifyOptions.Select.dither, new Amount.Step(3), Values.sign),
                random(SparsifyOptions.Select.dither, new Amount.Noise(20), Values.sign));
    }

    static float[] gaussian(Random random, int n) {
        float[] values = new float[n];
        for (int i = 0; i < n; i++) {
            values[i] = (float) random.nextGaussian();
        }
        return values;
    }
}
