package graft.convert.cli;

import static org.assertj.core.api.Assertions.assertThat;

import graft.convert.testing.Checkpoints;
import graft.convert.testing.GenerateCheckpoint;
import graft.formats.tensor.DType;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;

/** Inputs above a gigabyte under a heap of 256 MB: nothing grows with the checkpoint. */
class LargeModelIT {
    private static final Map<String, String> SMALL_HEAP = Map.of("GRAFT_JAVA_OPTS", "-Xmx256m");
    private static final long GIGABYTE = 1_000_000_000;

    @TempDir Path folder;

    @Test
    void pairAboveOneGigabyteEachIsSparsifiedAndAppliedInASmallHeap() throws Exception {
        Path base = folder.resolve("base.safetensors");
        Path tuned = folder.resolve("tuned.safetensors");
        GenerateCheckpoint.model(base, 27, 1, null);
        GenerateCheckpoint.model(tuned, 27, 2, base);
        assertThat(Files.size(base)).isGreaterThan(GIGABYTE);
        var graft = new GraftProcess(folder, SMALL_HEAP);
        for (String preset : new String[] {"compact", "paper"}) {
            var result =
                    graft.run("sparsify", tuned, "--base", base, "--preset", preset, "-o", preset);
            assertThat(result.code()).as(result.err()).isZero();
            assertThat(Files.size(folder.resolve(preset + "/delta.safetensors")))
                    .isBetween(GIGABYTE / 5000, GIGABYTE / 10);
        }
        var applied = graft.run("apply", "compact", "--base", base, "-o", "applied");
        assertThat(applied.code()).as(applied.err()).isZero();
        assertThat(Files.size(folder.resolve("applied/model.safetensors")))
                .isEqualTo(Files.size(tuned));
    }

    /** What is known of a tensor before it is coded must not be much: experts are many. */
    @Test
    void thousandsOfTensorsAreSparsifiedInASmallHeap() throws Exception {
        var random = new Random(20261125);
        Map<String, float[]> before = new TreeMap<>();
        Map<String, float[]> after = new TreeMap<>();
        for (int t = 0; t < 12_000; t++) {
            String name = "layers.0.experts.%d.weight".formatted(t);
            float[] values = new float[256];
            float[] moved = new float[256];
            for (int i = 0; i < values.length; i++) {
                values[i] = (float) random.nextGaussian();
                moved[i] = values[i] + (float) random.nextGaussian() / 100;
            }
            before.put(name, values);
            after.put(name, moved);
        }
        Path base = Checkpoints.write(folder.resolve("base.safetensors"), DType.F32, before);
        Path tuned = Checkpoints.write(folder.resolve("tuned.safetensors"), DType.F32, after);
        var result =
                new GraftProcess(folder, SMALL_HEAP)
                        .run("sparsify", tuned, "--base", base, "-o", "out");
        assertThat(result.code()).as(result.err()).isZero();
    }

    @Test
    void adapterAboveOneGigabyteIsReducedInASmallHeap() throws Exception {
        Path adapter = folder.resolve("adapter");
        GenerateCheckpoint.adapter(adapter, 128, 256, 3);
        assertThat(Files.size(adapter.resolve("adapter_model.safetensors")))
                .isGreaterThan(GIGABYTE);
        var result =
                new GraftProcess(folder, SMALL_HEAP)
                        .run("reduce", adapter, "--rank", "16", "-o", "out");
        assertThat(result.code()).as(result.err()).isZero();
        assertThat(result.out()).contains("128 of 128 modules");
        assertThat(Files.size(folder.resolve("out/adapter_model.safetensors")))
                .isLessThan(GIGABYTE / 10);
    }
}
