package graft.convert.merge;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import graft.convert.ConversionException;
import graft.convert.ledger.Ledger;
import graft.convert.plan.Progress;
import graft.convert.testing.Checkpoints;
import graft.formats.checkpoint.CheckpointWriter;
import graft.formats.tensor.DType;
import graft.formats.tensor.Elements;

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

class MergeModelsTest {
    @TempDir Path folder;

    @ParameterizedTest(name = "{0}, {1} threads, seed {2}")
    @CsvSource({"BF16,1,1", "F16,2,2", "F32,3,3"})
    void sumIsRoundedOnce(DType type, int threads, long seed) throws IOException {
        var random = new Random(seed);
        int n = 70_001; // more than two tiles
        float[] base = values(random, n, type);
        List<float[]> tunes =
                List.of(values(random, n, type), values(random, n, type), values(random, n, type));
        Path theta0 =
                Checkpoints.write(
                        folder.resolve("base.safetensors"),
                        type,
                        Map.of("w", base, "cls", new float[3]));
        List<Path> paths = new ArrayList<>();
        for (float[] tune : tunes) {
            Path path = folder.resolve("t" + paths.size() + ".safetensors");
            paths.add(Checkpoints.write(path, type, Map.of("w", tune, "head", new float[] {1})));
        }
        Ledger ledger = run(theta0, paths, 0.3, Optional.empty(), threads, folder.resolve("out"));
        float[] merged = Checkpoints.read(folder.resolve("out/model.safetensors"), "w");
        for (int i = 0; i < n; i++) {
            double sum = 0;
            for (float[] tune : tunes) {
                sum += tune[i] - base[i];
            }
            float expected = Elements.round(type, (float) (base[i] + 0.3 * sum));
            assertThat(merged[i]).as("element %d", i).isEqualTo(expected);
        }
        assertThat(ledger.total("tensorsMerged")).isEqualTo(1);
        assertThat(ledger.total("tensorsCarried")).isEqualTo(1);
    }

    private static float[] values(Random random, int n, DType type) {
        float[] values = new float[n];
        for (int i = 0; i < n; i++) {
            values[i] = Elements.round(type, (float) random.nextGaussian());
        }
        return values;
    }

    @Test
    void bytesDoNotDependOnThreads() throws IOException {
        var random = new Random(5);
        Map<String, float[]> base = new TreeMap<>();
        Map<String, float[]> tune = new TreeMap<>();
        for (int i = 0; i < 20; i++) {
            base.put("w" + i, values(random, 1000 + i, DType.BF16));
            tune.put("w" + i, values(random, 1000 + i, DType.BF16));
        }
        Path theta0 = Checkpoints.write(folder.resolve("b.safetensors"), DType.BF16, base);
        Path theta = Checkpoints.write(folder.resolve("t.safetensors"), DType.BF16, tune);
        run(theta0, List.of(theta), 0.7, Optional.empty(), 1, folder.resolve("one"));
        run(theta0, List.of(theta), 0.7, Optional.empty(), 4, folder.resolve("four"));
        assertThat(folder.resolve("one/model.safetensors"))
                .hasSameBinaryContentAs(folder.resolve("four/model.safetensors"));
    }

    @Test
    void notFiniteResultIsRefusedAndNothingLeft() throws IOException {
        float[] broken = {0, Float.POSITIVE_INFINITY};
        Path theta0 =
                Checkpoints.write(
                        folder.resolve("b.safetensors"), DType.F32, Map.of("w", new float[2]));
        Path theta =
                Checkpoints.write(folder.resolve("t.safetensors"), DType.F32, Map.of("w", broken));
        assertThatThrownBy(() ->
                        run(
                                theta0,
                                List.of(theta),
                                0.3,
                                Optional.empty(),
                                1,
                                folder.resolve("out")))
                .isInstanceOf(ConversionException.UnusableValues.class)
                .hasMessageContaining("'w'")
                .hasMessageContaining("element 1");
        try (var files = Files.list(folder)) {
            assertThat(files).hasSize(2);
        }
    }

    @Test
    void valuesBeyondTheStoredTypeAreRefused() throws IOException {
        Path theta0 =
                Checkpoints.write(
                        folder.resolve("b.safetensors"),
                        DType.F16,
                        Map.of("w", new float[] {60_000}));
        Path theta =
                Checkpoints.write(
                        folder.resolve("t.safetensors"),
                        DType.F32,
                        Map.of("w", new float[] {90_000}));
        assertThatThrownBy(() ->
                        run(theta0, List.of(theta), 1, Optional.empty(), 1, folder.resolve("out")))
                .isInstanceOf(ConversionException.UnusableValues.class);
    }

    @Test
    void tensorThatSomeModelsLackIsRefusedByName() throws IOException {
        Path theta0 =
                Checkpoints.write(
                        folder.resolve("b.safetensors"),
                        DType.F32,
                        Map.of("v", new float[2], "w", new float[2]));
        Path both =
                Checkpoints.write(
                        folder.resolve("1.safetensors"),
                        DType.F32,
                        Map.of("v", new float[2], "w", new float[2]));
        Path one =
                Checkpoints.write(
                        folder.resolve("2.safetensors"), DType.F32, Map.of("v", new float[2]));
        assertThatThrownBy(() ->
                        run(
                                theta0,
                                List.of(both, one),
                                0.3,
                                Optional.empty(),
                                1,
                                folder.resolve("out")))
                .isInstanceOf(ConversionException.BaseMismatch.class)
                .hasMessageContaining("lacks 'w'");
    }

    private static Ledger run(
            Path base,
            List<Path> models,
            double weight,
            Optional<DType> dtype,
            int threads,
            Path out)
            throws IOException {
        List<MergeRequest.FineTune> tunes =
                models.stream()
                        .map(path -> new MergeRequest.FineTune(path, path.toString()))
                        .toList();
        return new MergeModels()
                .run(
                        new MergeRequest(
                                base,
                                "base",
                                tunes,
                                MergeOptions.taskArithmetic(weight),
                                List.of(),
                                dtype,
                                CheckpointWriter.DEFAULT_SHARD_BYTES,
                                out,
                                false,
                                threads,
                                Progress.NONE));
    }
}
