package graft.convert.sparsify;

import static graft.convert.sparsify.SparsifyRuns.FAMILY;
import static graft.convert.sparsify.SparsifyRuns.apply;
import static graft.convert.sparsify.SparsifyRuns.gaussian;
import static graft.convert.sparsify.SparsifyRuns.run;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import graft.convert.ConversionException;
import graft.convert.ledger.Ledger;
import graft.convert.ledger.TensorRecord;
import graft.convert.testing.Checkpoints;
import graft.formats.tensor.DType;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Random;

class SparsifyModelTest {
    @TempDir Path folder;

    @ParameterizedTest
    @MethodSource("graft.convert.sparsify.SparsifyRuns#everyWay")
    void bytesDoNotDependOnThreads(SparsifyOptions options) throws IOException {
        Path model = FAMILY.resolve("fft-spam");
        run(model, FAMILY.resolve("base"), options, 1, folder.resolve("one"));
        run(model, FAMILY.resolve("base"), options, 4, folder.resolve("four"));
        assertThat(folder.resolve("one/delta.safetensors"))
                .hasSameBinaryContentAs(folder.resolve("four/delta.safetensors"));
    }

    @Test
    void everythingExactRestoresTheFileByteForByte() throws IOException {
        for (String task : List.of("pos", "spam")) {
            Path model = FAMILY.resolve("fft-" + task);
            Path delta = folder.resolve("delta-" + task);
            run(model, FAMILY.resolve("base"), SparsifyOptions.paper(1), 2, delta);
            apply(delta, FAMILY.resolve("base"), folder.resolve(task), false);
            for (String file : List.of("model.safetensors", "config.json")) {
                assertThat(folder.resolve(task).resolve(file))
                        .hasSameBinaryContentAs(model.resolve(file));
            }
        }
    }

    /** ⟨û, u⟩ = ‖u‖² is what the gain is for; checked on the applied values themselves. */
    @Test
    void projectionGainGivesTheLengthBack() throws IOException {
        var random = new Random(11);
        float[] from = gaussian(random, 40_000);
        float[] to = gaussian(random, 40_000);
        Path base =
                Checkpoints.write(folder.resolve("b.safetensors"), DType.F32, Map.of("x", from));
        Path model = Checkpoints.write(folder.resolve("m.safetensors"), DType.F32, Map.of("x", to));
        Ledger ledger = run(model, base, SparsifyOptions.signs(0.05), 1, folder.resolve("d"));
        apply(folder.resolve("d"), base, folder.resolve("out"), false);
        float[] applied = Checkpoints.read(folder.resolve("out/model.safetensors"), "x");
        double dot = 0;
        double energy = 0;
        double error = 0;
        int changed = 0;
        for (int i = 0; i < from.length; i++) {
            double u = (double) to[i] - from[i];
            dot += u * ((double) applied[i] - from[i]);
            energy += u * u;
            error += ((double) to[i] - applied[i]) * ((double) to[i] - applied[i]);
            changed += applied[i] == from[i] ? 0 : 1;
        }
        assertThat(changed).isEqualTo(2000);
        assertThat(dot).isCloseTo(energy, within(1e-5 * energy));
        TensorRecord record = ledger.tensors().getFirst();
        assertThat(record.figure("relativeError"))
                .isCloseTo(Math.sqrt(error / energy), within(1e-5));
    }

    @Test
    void anotherBaseIsRefusedUnlessForced() throws IOException {
        run(
                FAMILY.resolve("fft-pos"),
                FAMILY.resolve("base"),
                SparsifyOptions.paper(0.01),
                1,
                folder.resolve("d"));
        Path other = FAMILY.resolve("fft-spam");
        assertThatThrownBy(() -> apply(folder.resolve("d"), other, folder.resolve("out"), false))
                .isInstanceOf(ConversionException.BaseMismatch.class)
                .hasMessageContaining("not the base");
        assertThat(folder.resolve("out")).doesNotExist();
        apply(folder.resolve("d"), other, folder.resolve("out"), true);
        assertThat(folder.resolve("out/model.safetensors")).exists();
    }

    @Test
    void modelsWithoutACommonTensorAreRefused() throws IOException {
        Path base =
                Checkpoints.write(
                        folder.resolve("b.safetensors"), DType.F32, Map.of("x", new float[4]));
        Path model =
                Checkpoints.write(
                        folder.resolve("m.safetensors"), DType.F32, Map.of("y", new float[4]));
        assertThatThrownBy(() ->
                        run(model, base, SparsifyOptions.paper(0.5), 1, folder.resolve("out")))
                .isInstanceOf(ConversionException.NothingMatched.class);
    }

    @Test
    void notFiniteValuesAreRefusedWithTensorAndElement() throws IOException {
        float[] broken = {1, 2, Float.NaN, 4};
        Path base =
                Checkpoints.write(
                        folder.resolve("b.safetensors"), DType.F32, Map.of("x", new float[4]));
        Path model =
                Checkpoints.write(folder.resolve("m.safetensors"), DType.F32, Map.of("x", broken));
        for (var options : List.of(SparsifyOptions.paper(0.5), SparsifyOptions.compact())) {
            assertThatThrownBy(() -> run(model, base, options, 1, folder.resolve("out")))
                    .isInstanceOf(ConversionException.UnusableValues.class)
                    .hasMessageContaining("'x'")
                    .hasMessageContaining("element 2 is NaN");
        }
        assertThat(folder.resolve("out")).doesNotExist();
    }
}
