package graft.convert.sparsify;

import static graft.convert.sparsify.SparsifyRuns.FAMILY;
import static graft.convert.sparsify.SparsifyRuns.gaussian;
import static graft.convert.sparsify.SparsifyRuns.random;
import static graft.convert.sparsify.SparsifyRuns.run;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import graft.convert.ConversionException;
import graft.convert.testing.Checkpoints;
import graft.formats.delta.DeltaReader;
import graft.formats.tensor.DType;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.stream.Stream;

/** Sizes that are asked for, and tensors that have none. */
class DeltaSizeTest {
    @TempDir Path folder;

    /** The delta's file is what was asked for, and at most a fiftieth less. */
    @ParameterizedTest
    @MethodSource("waysToASize")
    void sizesAreKept(SparsifyOptions options) throws IOException {
        long size = ((Amount.Bytes) options.amount()).total();
        Path out = folder.resolve("sized");
        run(FAMILY.resolve("fft-pos"), FAMILY.resolve("base"), options, 2, out);
        assertThat(Files.size(out.resolve("delta.safetensors")))
                .isLessThanOrEqualTo(size)
                .isGreaterThanOrEqualTo(size * 98 / 100);
    }

    @Test
    void sizeThatHoldsNothingIsRefused() {
        var options = random(SparsifyOptions.Select.dither, new Amount.Bytes(500), Values.sign);
        assertThatThrownBy(() ->
                        run(
                                FAMILY.resolve("fft-pos"),
                                FAMILY.resolve("base"),
                                options,
                                2,
                                folder.resolve("none")))
                .isInstanceOf(ConversionException.UnusableValues.class)
                .hasMessageContaining("500 bytes are too few: the least that holds these models");
        assertThat(folder.resolve("none")).doesNotExist();
    }

    static Stream<SparsifyOptions> waysToASize() {
        return Stream.of(40_000, 400_000)
                .flatMap(size -> {
                    var bytes = new Amount.Bytes(size);
                    return Stream.of(
                            random(SparsifyOptions.Select.dither, bytes, Values.sign),
                            random(SparsifyOptions.Select.stochastic, bytes, Values.sign),
                            random(SparsifyOptions.Select.random, bytes, Values.f16),
                            sized(SparsifyOptions.Scope.global, bytes, Values.exact),
                            sized(SparsifyOptions.Scope.tensor, bytes, Values.int4));
                });
    }

    static Stream<SparsifyOptions> waysToNoElements() {
        var magnitude = SparsifyOptions.Select.magnitude;
        var tensor = SparsifyOptions.Scope.tensor;
        return Stream.of(
                new SparsifyOptions(
                        magnitude,
                        tensor,
                        new Amount.Density(0.1),
                        Values.exact,
                        Gain.none,
                        17,
                        List.of(new SparsifyOptions.Override("none", 0.5))),
                sized(tensor, new Amount.Bytes(6000), Values.exact));
    }

    @ParameterizedTest
    @MethodSource("waysToNoElements")
    void tensorsWithoutElementsAreKept(SparsifyOptions options) throws IOException {
        var random = new Random(20261127);
        Map<String, long[]> shapes = Map.of("none", new long[] {0, 8}, "some", new long[] {64, 64});
        float[] values = new float[64 * 64];
        List<Path> files = new ArrayList<>();
        for (String name : List.of("base", "model")) {
            float[] noise = gaussian(random, values.length);
            for (int i = 0; i < values.length; i++) {
                values[i] += name.equals("base") ? noise[i] : noise[i] / 100;
            }
            Map<String, float[]> tensors = Map.of("none", new float[0], "some", values);
            Path file = folder.resolve(name + ".safetensors");
            files.add(Checkpoints.write(file, DType.F32, tensors, shapes));
        }
        run(files.getLast(), files.getFirst(), options, 2, folder.resolve("delta"));
        try (var delta = DeltaReader.open(folder.resolve("delta"))) {
            assertThat(delta.find("none").orElseThrow().count()).isZero();
        }
    }

    private static SparsifyOptions sized(SparsifyOptions.Scope scope, Amount bytes, Values values) {
        return new SparsifyOptions(
                SparsifyOptions.Select.magnitude,
                scope,
                bytes,
                values,
                Gain.none,
                17,
                List.of(new SparsifyOptions.Override("*.bias", 0)));
    }
}
