package graft.convert.merge;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import graft.convert.ConversionException;
import graft.convert.linalg.Scratch;
import graft.convert.plan.Progress;
import graft.convert.testing.Checkpoints;
import graft.convert.testing.Python;
import graft.formats.checkpoint.CheckpointWriter;
import graft.formats.tensor.DType;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.TreeMap;

/** Methods that look at whole matrices. The oracle is numpy's SVD and inverse. */
class MatrixMergeTest {
    private static final Map<String, long[]> SHAPES =
            Map.of(
                    "bias", new long[] {40},
                    "conv.weight", new long[] {4, 3, 2, 2},
                    "square.weight", new long[] {48, 48},
                    "tall.weight", new long[] {700, 30},
                    "thin.weight", new long[] {50, 2},
                    "wide.weight", new long[] {30, 700});

    @TempDir Path folder;
    private Path base = Path.of("unset");
    private final List<Path> tunes = new ArrayList<>();

    private void family(int tasks) throws IOException {
        var random = new Random(3);
        Map<String, float[]> theta = new TreeMap<>();
        SHAPES.forEach((name, shape) -> theta.put(name, gaussian(random, count(shape), 1)));
        base = write("base", theta, SHAPES);
        for (int t = 0; t < tasks; t++) {
            Map<String, float[]> tune = new TreeMap<>();
            theta.forEach((name, values) -> {
                float[] moved = gaussian(random, values.length, 0.2f);
                for (int i = 0; i < moved.length; i++) {
                    moved[i] += values[i];
                }
                tune.put(name, moved);
            });
            tunes.add(write("tune" + t, tune, SHAPES));
        }
    }

    private Path write(String name, Map<String, float[]> tensors, Map<String, long[]> shapes)
            throws IOException {
        return Checkpoints.write(folder.resolve(name + ".safetensors"), DType.F32, tensors, shapes);
    }

    private static int count(long[] shape) {
        int n = 1;
        for (long extent : shape) {
            n *= (int) extent;
        }
        return n;
    }

    private static float[] gaussian(Random random, int n, float size) {
        float[] values = new float[n];
        for (int i = 0; i < n; i++) {
            values[i] = size * (float) random.nextGaussian();
        }
        return values;
    }

    @Test
    void singularMergeIsThatOfNumpy() throws Exception {
        Python python = Python.with("numpy", "safetensors");
        family(3);
        for (double weight : new double[] {1, 0.4}) {
            Path out = merge(MergeOptions.of(MergeMethod.TSV, weight), List.of(), 2, "o" + weight);
            python.run("check_merge.py", "tsv", arguments(out, List.of(), weight));
        }
    }

    @Test
    void regressionMergeIsThatOfNumpy() throws Exception {
        Python python = Python.with("numpy", "safetensors");
        family(3);
        for (boolean few : new boolean[] {false, true}) {
            List<Path> grams = grams(few ? 10 : 900, false); // few: singular but for alpha
            Path out = merge(regression(0.7), grams, 2, "o" + few);
            python.run("check_merge.py", "regmean", arguments(out, grams, 0.7));
        }
    }

    @Test
    void regressionOfTransposedWeightsIsThatOfNumpy() throws Exception {
        Python python = Python.with("numpy", "safetensors");
        family(2);
        List<Path> grams = grams(900, true);
        Path out = merge(regression(0.9), grams, 2, "out");
        python.run("check_merge.py", "regmean-transposed", arguments(out, grams, 0.9));
    }

    private List<String> arguments(Path out, List<Path> grams, double number) {
        List<String> arguments = new ArrayList<>();
        arguments.add(Double.toString(number));
        arguments.add(out.resolve("model.safetensors").toString());
        arguments.add(base.toString());
        tunes.forEach(tune -> arguments.add(tune.toString()));
        grams.forEach(gram -> arguments.add(gram.toString()));
        return arguments;
    }

    private static MergeOptions regression(double alpha) {
        return new MergeOptions(
                MergeMethod.REGMEAN,
                1,
                List.of(),
                Map.of(),
                0.1,
                0,
                false,
                false,
                alpha,
                17,
                List.of());
    }

    /**
     * XᵀX of {@code samples} inputs per layer; named by weight or by module, as users have them.
     */
    private List<Path> grams(int samples, boolean transposed) throws IOException {
        List<Path> files = new ArrayList<>();
        for (int t = 0; t < tunes.size(); t++) {
            var random = new Random(40 + t);
            Map<String, float[]> grams = new TreeMap<>();
            Map<String, long[]> shapes = new TreeMap<>();
            for (String name : List.of("square.weight", "tall.weight", "thin.weight")) {
                long[] shape = SHAPES.getOrDefault(name, new long[0]);
                int in = (int) shape[transposed ? 0 : 1];
                float[] gram = new float[in * in];
                for (int s = 0; s < Math.min(samples, 60_000 / in); s++) {
                    float[] x = gaussian(random, in, 1);
                    for (int i = 0; i < in; i++) {
                        for (int j = 0; j < in; j++) {
                            gram[i * in + j] += x[i] * x[j];
                        }
                    }
                }
                String key = name.equals("tall.weight") ? "tall" : name;
                grams.put(key, gram);
                shapes.put(key, new long[] {in, in});
            }
            files.add(write("gram" + transposed + samples + "-" + t, grams, shapes));
        }
        return files;
    }

    /** One task twice, of low rank: nothing overlaps but itself, so it comes back. */
    @Test
    void sameTaskTwiceIsTheTask() throws IOException {
        var random = new Random(8);
        Map<String, long[]> shape = Map.of("w", new long[] {60, 40});
        float[] from = gaussian(random, 2400, 1);
        float[] to = from.clone();
        for (int r = 0; r < 5; r++) {
            float[] left = gaussian(random, 60, 1);
            float[] right = gaussian(random, 40, 1);
            for (int i = 0; i < 2400; i++) {
                to[i] += left[i / 40] * right[i % 40];
            }
        }
        base = write("b", Map.of("w", from), shape);
        tunes.add(write("t", Map.of("w", to), shape));
        tunes.add(tunes.getFirst());
        Path out = merge(MergeOptions.of(MergeMethod.TSV, 1), List.of(), 1, "out");
        float[] merged = Checkpoints.read(out.resolve("model.safetensors"), "w");
        for (int i = 0; i < 2400; i++) {
            assertThat(merged[i]).isCloseTo(to[i], within(2e-5f));
        }
    }

    @Test
    void bytesDoNotDependOnThreads() throws IOException {
        family(3);
        List<Path> grams = grams(200, false);
        for (var options : List.of(MergeOptions.of(MergeMethod.TSV, 1), regression(0.9))) {
            List<Path> files = options.method() == MergeMethod.TSV ? List.of() : grams;
            Path one = merge(options, files, 1, options.method() + "1");
            Path four = merge(options, files, 4, options.method() + "4");
            assertThat(one.resolve("model.safetensors"))
                    .hasSameBinaryContentAs(four.resolve("model.safetensors"));
        }
    }

    @Test
    void statisticsThatFitNoLayerAreRefused() throws IOException {
        family(2);
        Path strange =
                write("s", Map.of("nothing", new float[4]), Map.of("nothing", new long[] {2, 2}));
        Path wrong =
                write(
                        "w",
                        Map.of("tall.weight", new float[9]),
                        Map.of("tall.weight", new long[] {3, 3}));
        List<Path> good = grams(20, false);
        assertThatThrownBy(() -> merge(regression(1), List.of(strange, strange), 1, "x"))
                .isInstanceOf(ConversionException.NothingMatched.class);
        assertThatThrownBy(() -> merge(regression(1), List.of(good.getFirst(), strange), 1, "x"))
                .isInstanceOf(ConversionException.BaseMismatch.class)
                .hasMessageContaining("1 of 2 files of statistics");
        assertThatThrownBy(() -> merge(regression(1), List.of(wrong, wrong), 1, "x"))
                .isInstanceOf(ConversionException.BaseMismatch.class)
                .hasMessageContaining("'tall.weight' has shape [3, 3], the weight [700, 30]");
        assertThat(folder.resolve("x")).doesNotExist();
    }

    @Test
    void matricesTooLargeToDecomposeAreRefusedBeforeAnyWork() throws IOException {
        int in = 16_384;
        Path wide = zeros("wide", 1, in);
        Path gram = zeros("gram", in, in);
        base = wide;
        tunes.addAll(List.of(wide, wide));
        assertThatThrownBy(() -> merge(regression(1), List.of(gram, gram), 1, "x"))
                .isInstanceOf(ConversionException.TooLarge.class)
                .hasMessageContaining("'w' of shape [1, 16384]: regmean")
                .hasMessageContaining("16384×16384")
                .extracting(e -> ((ConversionException) e).help())
                .asString()
                .contains("leave its Gram matrix out");
        base = gram;
        tunes.replaceAll(_ -> gram);
        assertThatThrownBy(() -> merge(MergeOptions.of(MergeMethod.TSV, 1), List.of(), 1, "x"))
                .isInstanceOf(ConversionException.TooLarge.class)
                .hasMessageContaining("'w' of shape [16384, 16384]: tsv");
        assertThat(folder.resolve("x")).doesNotExist();
        assertThat(Scratch.holds(in - 1, in - 1)).isTrue();
    }

    /** A sparse file: header, then nothing but its length. */
    private Path zeros(String name, long rows, long columns) throws IOException {
        long bytes = 2 * rows * columns;
        byte[] header =
                "{\"w\":{\"dtype\":\"BF16\",\"shape\":[%d,%d],\"data_offsets\":[0,%d]}}"
                        .formatted(rows, columns, bytes)
                        .getBytes(StandardCharsets.UTF_8);
        Path file = folder.resolve(name + ".safetensors");
        try (var out = new RandomAccessFile(file.toFile(), "rw")) {
            out.writeLong(Long.reverseBytes(header.length));
            out.write(header);
            out.setLength(8 + header.length + bytes);
        }
        return file;
    }

    private Path merge(MergeOptions options, List<Path> statistics, int threads, String name)
            throws IOException {
        List<MergeRequest.FineTune> models = new ArrayList<>();
        for (Path tune : tunes) {
            models.add(new MergeRequest.FineTune(tune, tune.toString()));
        }
        Path out = folder.resolve(name);
        new MergeModels()
                .run(
                        new MergeRequest(
                                base,
                                "base",
                                models,
                                options,
                                statistics,
                                Optional.empty(),
                                CheckpointWriter.DEFAULT_SHARD_BYTES,
                                out,
                                false,
                                threads,
                                Progress.NONE));
        return out;
    }
}
