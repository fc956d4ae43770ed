package graft.convert.merge;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import graft.convert.plan.Progress;
import graft.convert.testing.Checkpoints;
import graft.formats.checkpoint.CheckpointWriter;
import graft.formats.tensor.DType;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;

class MergeMethodTest {
    private static final Path GOLDEN =
            Path.of(System.getProperty("graft.testdata"), "merge/mergekit.safetensors");

    @TempDir Path folder;

    /** mergekit sums in float32 where Graft sums in float64: three additions of values below 1. */
    @ParameterizedTest
    @EnumSource(names = {"TASK_ARITHMETIC", "TIES", "BREADCRUMBS"})
    void resultIsMergekits(MergeMethod method) throws IOException {
        double lambda = method == MergeMethod.TIES ? 0.7 : 1;
        var options =
                new MergeOptions(
                        method,
                        lambda,
                        List.of(0.5, 0.3, 0.9),
                        Map.of(),
                        0.2,
                        0.1,
                        false,
                        MergeOptions.divides(method),
                        17);
        Path out = merge(options, List.of());
        for (String name : List.of("w", "b")) {
            float[] expected = Checkpoints.read(GOLDEN, method.word() + "." + name);
            float[] merged = Checkpoints.read(out, name);
            for (int i = 0; i < expected.length; i++) {
                assertThat(merged[i])
                        .as("%s[%d]", name, i)
                        .isCloseTo(expected[i], within(8 * Math.ulp(4f)));
            }
        }
    }

    @Test
    void meanIsTheMean() throws IOException {
        Path out = merge(MergeOptions.of(MergeMethod.MEAN, 1), List.of());
        float[] merged = Checkpoints.read(out, "w");
        for (int i = 0; i < merged.length; i += 97) {
            double sum = 0;
            for (int m = 0; m < 3; m++) {
                sum += Checkpoints.read(GOLDEN, "tune" + m + ".w")[i];
            }
            assertThat(merged[i]).isCloseTo((float) (sum / 3), within(4 * Math.ulp(4f)));
        }
    }

    /** Each entry is the base's or one that a fine-tune has, and of the elected sign. */
    @Test
    void electedEntriesAreTheLargestOfTheirSign() throws IOException {
        float[] merged =
                Checkpoints.read(merge(MergeOptions.of(MergeMethod.EMR, 1), List.of()), "b");
        float[] base = Checkpoints.read(GOLDEN, "base.b");
        for (int i = 0; i < merged.length; i++) {
            double sum = 0;
            double most = 0;
            for (int m = 0; m < 3; m++) {
                sum += (double) Checkpoints.read(GOLDEN, "tune" + m + ".b")[i] - base[i];
            }
            for (int m = 0; m < 3; m++) {
                double v = (double) Checkpoints.read(GOLDEN, "tune" + m + ".b")[i] - base[i];
                most = v > 0 == sum > 0 && Math.abs(v) > Math.abs(most) ? v : most;
            }
            assertThat(merged[i]).isCloseTo((float) (base[i] + most), within(4 * Math.ulp(4f)));
        }
    }

    /** At density 0.3 the share kept is within five standard deviations. */
    @Test
    void dareKeepsItsShareAndScalesItUp() throws IOException {
        var options =
                new MergeOptions(
                        MergeMethod.DARE,
                        1,
                        List.of(1.0, 0.0, 0.0),
                        Map.of(),
                        0.3,
                        0,
                        false,
                        false,
                        5);
        float[] merged = Checkpoints.read(merge(options, List.of()), "w");
        float[] base = Checkpoints.read(GOLDEN, "base.w");
        float[] tune = Checkpoints.read(GOLDEN, "tune0.w");
        int kept = 0;
        for (int i = 0; i < merged.length; i++) {
            if (merged[i] != base[i]) {
                kept++;
                assertThat(merged[i])
                        .isCloseTo((float) (base[i] + (tune[i] - base[i]) / 0.3), within(1e-5f));
            }
        }
        double deviation = Math.sqrt(0.3 * 0.7 * merged.length);
        assertThat((double) kept).isCloseTo(0.3 * merged.length, within(5 * deviation));
    }

    @Test
    void fisherWeighsByTheStatistics() throws IOException {
        List<Path> statistics = new ArrayList<>();
        for (int m = 0; m < 3; m++) {
            float[] w = new float[2000];
            float[] b = new float[50];
            java.util.Arrays.fill(w, m + 1);
            Path file = folder.resolve("f" + m + ".safetensors"); // b stays 0: the mean
            statistics.add(Checkpoints.write(file, DType.F32, Map.of("w", w, "b", b)));
        }
        Path out = merge(MergeOptions.of(MergeMethod.FISHER, 1), statistics);
        double w = 0;
        double b = 0;
        for (int m = 0; m < 3; m++) {
            w += (m + 1) * (double) Checkpoints.read(GOLDEN, "tune" + m + ".w")[11] / 6;
            b += (double) Checkpoints.read(GOLDEN, "tune" + m + ".b")[11] / 3;
        }
        assertThat(Checkpoints.read(out, "w")[11]).isCloseTo((float) w, within(1e-6f));
        assertThat(Checkpoints.read(out, "b")[11]).isCloseTo((float) b, within(1e-6f));
    }

    private Path merge(MergeOptions options, List<Path> statistics) throws IOException {
        Path base = part("base");
        List<MergeRequest.FineTune> tunes = new ArrayList<>();
        for (int m = 0; m < 3; m++) {
            tunes.add(new MergeRequest.FineTune(part("tune" + m), "tune" + m));
        }
        Path out = folder.resolve("out");
        new MergeModels()
                .run(
                        new MergeRequest(
                                base,
                                "base",
                                tunes,
                                options,
                                statistics,
                                Optional.empty(),
                                CheckpointWriter.DEFAULT_SHARD_BYTES,
                                out,
                                false,
                                2,
                                Progress.NONE));
        return out.resolve("model.safetensors");
    }

    private Path part(String prefix) throws IOException {
        Map<String, float[]> tensors = new TreeMap<>();
        for (String name : List.of("w", "b")) {
            tensors.put(name, Checkpoints.read(GOLDEN, prefix + "." + name));
        }
        return Checkpoints.write(folder.resolve(prefix + ".safetensors"), DType.F32, tensors);
    }
}
