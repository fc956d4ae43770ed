package graft.convert.job;

import static org.assertj.core.api.Assertions.assertThat;

import graft.convert.ledger.TensorRecord;
import graft.convert.merge.MergeMethod;
import graft.convert.merge.MergeModels;
import graft.convert.merge.MergeOptions;
import graft.convert.merge.MergeRequest;
import graft.convert.plan.DeltaBase;
import graft.convert.plan.Journal;
import graft.convert.plan.Progress;
import graft.convert.plan.Workers;
import graft.convert.sparsify.Amount;
import graft.convert.sparsify.DeltasAhead;
import graft.convert.sparsify.Gain;
import graft.convert.sparsify.SparsifyBatch;
import graft.convert.sparsify.SparsifyOptions;
import graft.convert.sparsify.Values;
import graft.convert.testing.Checkpoints;
import graft.formats.checkpoint.Checkpoint;
import graft.formats.checkpoint.CheckpointWriter;
import graft.formats.delta.DeltaHeader;
import graft.formats.io.Sha256;
import graft.formats.tensor.DType;
import graft.formats.tensor.TensorInfo;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.TreeMap;

/**
 * What is coded while models are merged, beside what is coded from the merged model as it lies on
 * disk.
 */
class DeltasAheadTest {
    private static final int MODELS = 3;
    private static final int TENSORS = 6;

    @TempDir Path folder;

    @ParameterizedTest(name = "{0}, {1} threads, exact values: {2}")
    @CsvSource({"BF16,1,false", "BF16,2,true", "F16,2,false", "F32,2,false", "F64,1,false"})
    void bytesAndFiguresAreTheSame(DType type, int threads, boolean exact) throws IOException {
        SparsifyOptions options =
                exact
                        ? new SparsifyOptions(
                                SparsifyOptions.Select.magnitude,
                                SparsifyOptions.Scope.tensor,
                                new Amount.Density(0.05),
                                Values.exact,
                                Gain.none,
                                0,
                                List.of())
                        : SparsifyOptions.signs(0.05);
        MergeRequest merge = request(type, MergeOptions.taskArithmetic(0.3));
        try (var workers = new Workers(threads)) {
            var journal = new Journal(folder.resolve("ahead"));
            MergeModels.Merged merged = merge(merge, options, journal, workers);
            assertThat(coded(journal)).isGreaterThanOrEqualTo(MODELS * (TENSORS - 2));
            assertHashes(merged.hashes(), workers);
            assertThat(write(options, journal, merged.hashes(), workers))
                    .isEqualTo(
                            write(
                                    options,
                                    new Journal(folder.resolve("after")),
                                    Map.of(),
                                    workers));
        }
    }

    /** Its tiles depend on those before, so that a part of them cannot be looked at ahead. */
    @Test
    void mergeThatTrimsIsNotWatched() throws IOException {
        MergeRequest merge = request(DType.BF16, MergeOptions.of(MergeMethod.TIES, 0.3));
        try (var workers = new Workers(2)) {
            var journal = new Journal(folder.resolve("ahead"));
            MergeModels.Merged merged = merge(merge, SparsifyOptions.signs(0.05), journal, workers);
            assertThat(coded(journal)).isZero();
            assertHashes(merged.hashes(), workers);
        }
    }

    /**
     * A run that was killed while it deleted its journal may have left an entry without its part.
     */
    @Test
    void partThatIsGoneIsCodedAgain() throws IOException {
        MergeRequest merge = request(DType.F32, MergeOptions.taskArithmetic(0.3));
        SparsifyOptions options = SparsifyOptions.signs(0.05);
        try (var workers = new Workers(1)) {
            var journal = new Journal(folder.resolve("ahead"));
            merge(merge, options, journal, workers);
            List<Written> whole = write(options, journal, Map.of(), workers);
            Files.delete(journal.file("1-3"));
            assertThat(write(options, journal, Map.of(), workers)).isEqualTo(whole);
        }
    }

    private MergeModels.Merged merge(
            MergeRequest request, SparsifyOptions options, Journal journal, Workers workers)
            throws IOException {
        List<Path> models = request.fineTunes().stream().map(MergeRequest.FineTune::path).toList();
        try (var ahead = DeltasAhead.open(models, options, journal)) {
            Path merged = Files.createDirectories(folder.resolve("merged"));
            var done = new MergeModels().into(request, merged, journal, workers, ahead);
            Path file = merged.resolve(Checkpoint.SINGLE_FILE);
            assertThat(done.files()).isEqualTo(Map.of(file, Sha256.of(file)));
            return done;
        }
    }

    private long coded(Journal journal) throws IOException {
        long coded = 0;
        for (int m = 0; m < MODELS; m++) {
            for (int i = 0; i < TENSORS; i++) {
                coded += journal.find(m + "-" + i).isPresent() ? 1 : 0;
            }
        }
        return coded;
    }

    private void assertHashes(Map<String, String> hashes, Workers workers) throws IOException {
        try (var merged = Checkpoint.open(folder.resolve("merged"))) {
            List<String> names = merged.tensors().stream().map(TensorInfo::name).sorted().toList();
            assertThat(hashes.keySet()).containsExactlyInAnyOrderElementsOf(names);
            assertThat(DeltaBase.identity(merged, names, hashes, workers))
                    .isEqualTo(DeltaBase.identity(merged, names, workers));
        }
    }

    private record Written(List<TensorRecord> records, byte[] delta) {
        @Override
        public boolean equals(Object other) {
            return other instanceof Written(var otherRecords, var otherDelta)
                    && records.equals(otherRecords)
                    && java.util.Arrays.equals(delta, otherDelta);
        }

        @Override
        public int hashCode() {
            return java.util.Arrays.hashCode(delta);
        }
    }

    private List<Written> write(
            SparsifyOptions options, Journal journal, Map<String, String> hashes, Workers workers)
            throws IOException {
        List<SparsifyBatch.Model> models = new ArrayList<>();
        for (int m = 0; m < MODELS; m++) {
            models.add(new SparsifyBatch.Model(folder.resolve("model-" + m + ".safetensors"), "m"));
        }
        List<Written> written = new ArrayList<>();
        try (var batch =
                SparsifyBatch.open(
                        folder.resolve("merged"),
                        "merged",
                        models,
                        hashes,
                        options,
                        workers,
                        Progress.NONE)) {
            SparsifyBatch.Plan plan = batch.plan();
            for (int m = 0; m < MODELS; m++) {
                Path out = Files.createTempDirectory(folder, "delta");
                List<TensorRecord> records = batch.write(plan, m, out, journal);
                written.add(
                        new Written(
                                records, Files.readAllBytes(out.resolve(DeltaHeader.FILE_NAME))));
            }
        }
        return written;
    }

    private MergeRequest request(DType type, MergeOptions options) throws IOException {
        var random = new Random(20261125);
        Map<String, float[]> base = new TreeMap<>();
        int[] sizes = {1, 2048, 5001, 65536, 300_001, 200_000};
        for (int i = 0; i < TENSORS; i++) {
            base.put("t" + i, noise(random, sizes[i], 0.02));
        }
        List<MergeRequest.FineTune> tuned = new ArrayList<>();
        for (int m = 0; m < MODELS; m++) {
            Map<String, float[]> model = new TreeMap<>();
            base.forEach((name, values) -> model.put(name, moved(random, name, values)));
            Path file =
                    Checkpoints.write(folder.resolve("model-" + m + ".safetensors"), type, model);
            tuned.add(new MergeRequest.FineTune(file, "m"));
        }
        return new MergeRequest(
                Checkpoints.write(folder.resolve("base.safetensors"), type, base),
                "base",
                tuned,
                options,
                List.of(),
                Optional.empty(),
                CheckpointWriter.DEFAULT_SHARD_BYTES,
                folder.resolve("out"),
                false,
                2,
                Progress.NONE);
    }

    /** Of the last tensor the end alone, where a sample hardly looks. */
    private static float[] moved(Random random, String name, float[] values) {
        float[] moved = noise(random, values.length, 1e-3);
        for (int i = 0; i < values.length; i++) {
            boolean still = name.equals("t5") && i < values.length - values.length / 64;
            moved[i] = values[i] + (still ? 0 : moved[i]);
        }
        return moved;
    }

    private static float[] noise(Random random, int length, double size) {
        float[] values = new float[length];
        for (int i = 0; i < length; i++) {
            values[i] = (float) (size * random.nextGaussian());
        }
        return values;
    }
}
