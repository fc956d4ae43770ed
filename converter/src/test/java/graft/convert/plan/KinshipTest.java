package graft.convert.plan;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import graft.convert.ConversionException;
import graft.convert.testing.Checkpoints;
import graft.formats.checkpoint.Checkpoint;
import graft.formats.tensor.DType;
import graft.formats.tensor.TensorInfo;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;

class KinshipTest {
    private static final Path FAMILY =
            Path.of(System.getProperty("graft.testdata"), "families/mini");
    private static final Map<String, long[]> SHAPES =
            Map.of("a", new long[] {300, 70}, "b", new long[] {64, 64}, "norm", new long[] {64});

    @TempDir Path folder;

    @ParameterizedTest
    @ValueSource(strings = {"debsection", "nounsense", "pos", "spam"})
    void trainedFineTunesAreRelated(String task) throws IOException {
        Kinship found = of(FAMILY.resolve("base"), FAMILY.resolve("fft-" + task));
        assertThat(found.unrelated()).isFalse();
        assertThat(found.matrices()).isEqualTo(21);
        assertThat(found.apart()).isZero();
        assertThat(found.cosine()).isGreaterThan(0.97); // numpy over all entries: .98 to .99
    }

    /** Perpendicular: √(1 + 1) apart. */
    @Test
    void unrelatedWeightsAreRefusedUnlessForced() throws IOException {
        Path base = model("base", 1, 0);
        Path other = model("other", 2, 0);
        Kinship found = of(base, other);
        assertThat(found.unrelated()).isTrue();
        assertThat(found.cosine()).isCloseTo(0, within(0.05));
        assertThat(found.distance()).isCloseTo(Math.sqrt(2), within(0.05));
        try (var from = Checkpoint.open(base);
                var to = Checkpoint.open(other)) {
            assertThatThrownBy(() -> Kinship.check(pairs(from, to), "other", "base", false))
                    .isInstanceOf(ConversionException.BaseMismatch.class)
                    .hasMessageContaining("other is no fine-tune of base")
                    .hasMessageContaining("2 of 2 matrices point elsewhere");
            assertThat(Kinship.check(pairs(from, to), "other", "base", true)).hasSize(1);
        }
    }

    /** A model that moved by twice its own length, at random, is still recognised. */
    @Test
    void farMovedFineTuneIsRelated() throws IOException {
        Kinship found = of(model("base", 1, 0), model("far", 2, 0.5f));
        assertThat(found.distance()).isCloseTo(2, within(0.2));
        assertThat(found.unrelated()).isFalse();
    }

    @Test
    void newVocabularyIsNoReason() throws IOException {
        Path base = model("base", 1, 0);
        Map<String, float[]> tensors = values(base);
        tensors.put("a", gaussian(new Random(9), 21_000));
        Path other =
                Checkpoints.write(folder.resolve("v.safetensors"), DType.BF16, tensors, SHAPES);
        Kinship found = of(base, other);
        assertThat(found.apart()).isEqualTo(1);
        assertThat(found.unrelated()).isFalse();
    }

    @Test
    void zerosAndNaNAreNoEvidence() throws IOException {
        Path base = model("base", 1, 0);
        Map<String, float[]> tensors = values(base);
        tensors.put("a", new float[21_000]);
        float[] broken = gaussian(new Random(9), 4096);
        broken[5] = Float.NaN;
        tensors.put("b", broken);
        Path other = Checkpoints.write(folder.resolve("z.safetensors"), DType.F32, tensors, SHAPES);
        assertThat(of(base, other).matrices()).isZero();
        assertThat(of(base, other).unrelated()).isFalse();
    }

    /** Gaussian weights; with {@code share}, that much of them the base's, all over one half. */
    private Path model(String name, long seed, float share) throws IOException {
        var random = new Random(seed);
        var origin = new Random(1);
        Map<String, float[]> tensors = new TreeMap<>();
        for (String tensor : List.of("a", "b", "norm")) {
            int n = tensor.equals("a") ? 21_000 : tensor.equals("b") ? 4096 : 64;
            float[] own = gaussian(random, n);
            float[] from = gaussian(origin, n);
            for (int i = 0; i < n; i++) {
                own[i] = share == 0 ? own[i] : from[i] + own[i] / share;
            }
            tensors.put(tensor, tensor.equals("norm") ? ones(n) : own);
        }
        Path file = folder.resolve(name + ".safetensors");
        return Checkpoints.write(file, DType.BF16, tensors, SHAPES);
    }

    private static Map<String, float[]> values(Path file) throws IOException {
        Map<String, float[]> values = new TreeMap<>();
        for (String name : SHAPES.keySet()) {
            values.put(name, Checkpoints.read(file, name));
        }
        return values;
    }

    private static float[] ones(int n) {
        float[] values = new float[n];
        java.util.Arrays.fill(values, 1);
        return values;
    }

    private static float[] gaussian(Random random, int n) {
        float[] values = new float[n];
        for (int i = 0; i < n; i++) {
            values[i] = (float) random.nextGaussian();
        }
        return values;
    }

    private static Kinship of(Path base, Path model) throws IOException {
        try (var from = Checkpoint.open(base);
                var to = Checkpoint.open(model)) {
            return Kinship.of(pairs(from, to));
        }
    }

    private static List<TensorPair> pairs(Checkpoint base, Checkpoint model) {
        List<TensorPair> pairs = new ArrayList<>();
        for (TensorInfo info : base.tensors()) {
            if (model.find(info.name()).isPresent()) {
                pairs.add(TensorPair.of(base, model, info.name()));
            }
        }
        return pairs;
    }
}
