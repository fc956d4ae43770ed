package graft.convert.apply;

import static org.assertj.core.api.Assertions.assertThat;

import graft.convert.plan.Progress;
import graft.convert.testing.Python;
import graft.formats.safetensors.SafetensorsReader;
import graft.formats.tensor.DType;
import graft.formats.tensor.Elements;
import graft.formats.tensor.TensorInfo;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;

/** Merges larger than the fixtures, by peft itself where Python has it, and by Graft. */
class MergeAsPeftTest {
    @TempDir Path folder;

    @Test
    void mergedWeightsAreBitEqual() throws IOException, InterruptedException {
        Python.with("torch", "peft", "safetensors")
                .run("merge_with_peft.py", folder.toString(), List.of());
        List<Path> cases;
        try (var entries = Files.list(folder)) {
            cases = entries.sorted().toList();
        }
        assertThat(cases).hasSize(15);
        for (Path home : cases) {
            merge(home, Rounding.PEFT);
            assertThat(differing(home, Rounding.PEFT, 0)).as("%s", home).isZero();
            merge(home, Rounding.ONCE);
            // peft may round the update first, by half a step of it; its step is at most twice that
            // of
            // the largest of base and sum, and one more half step is lost with the sum
            assertThat(differing(home, Rounding.ONCE, 2)).as("%s, once", home).isZero();
        }
    }

    private static void merge(Path home, Rounding rounding) throws IOException {
        Path base = home.resolve("base.safetensors");
        new ApplyAdapter()
                .run(
                        new AdapterRequest(
                                home.resolve("adapter"),
                                "adapter",
                                List.of(new AdapterRequest.Base("", base, "base")),
                                null,
                                rounding,
                                home.resolve(rounding.name()),
                                false,
                                2,
                                Progress.NONE));
    }

    /** Elements that are further apart than {@code steps} of base or result, the larger one. */
    private static long differing(Path home, Rounding rounding, int steps) throws IOException {
        long count = 0;
        try (var base = SafetensorsReader.open(home.resolve("base.safetensors"));
                var got = SafetensorsReader.open(home.resolve(rounding + "/base.safetensors"));
                var expected = SafetensorsReader.open(home.resolve("merged.safetensors"))) {
            for (TensorInfo info : expected.tensors()) {
                float[] w = floats(base, info);
                float[] x = floats(got, info);
                float[] y = floats(expected, info);
                for (int i = 0; i < x.length; i++) {
                    float largest =
                            Math.max(Math.abs(w[i]), Math.max(Math.abs(x[i]), Math.abs(y[i])));
                    double allowed = steps * step(info.dtype(), largest);
                    count += Math.abs((double) x[i] - y[i]) <= allowed ? 0 : 1;
                }
            }
        }
        return count;
    }

    private static float[] floats(SafetensorsReader file, TensorInfo info) {
        float[] values = new float[(int) info.shape().elements()];
        Elements.widen(info.dtype(), file.bytes(info.name()), 0, values, 0, values.length);
        return values;
    }

    /** Distance from a value to its neighbour in a type; of subnormals at least the smallest. */
    private static double step(DType type, float value) {
        int lost = type == DType.BF16 ? 16 : type == DType.F16 ? 13 : 0;
        double smallest = type == DType.F16 ? 0x1p-24 : Float.MIN_VALUE;
        return Math.max(Math.ulp(value) * (double) (1 << lost), smallest);
    }
}
