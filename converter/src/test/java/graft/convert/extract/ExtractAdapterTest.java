package graft.convert.extract;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import graft.convert.ConversionException;
import graft.convert.ledger.Ledger;
import graft.convert.ledger.TensorRecord;
import graft.convert.linalg.Kernels;
import graft.convert.lowrank.AdapterCut;
import graft.convert.lowrank.RankRule;
import graft.convert.plan.Progress;
import graft.convert.testing.Checkpoints;
import graft.convert.testing.Deltas;
import graft.convert.testing.Python;
import graft.formats.peft.AdapterProfile;
import graft.formats.peft.PeftAdapter;
import graft.formats.safetensors.SafetensorsReader;
import graft.formats.tensor.DType;
import graft.formats.tensor.TensorInfo;

import org.ejml.simple.SimpleMatrix;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.TreeMap;

class ExtractAdapterTest {
    private static final Path FAMILY =
            Path.of(System.getProperty("graft.testdata")).resolve("families/mini");

    @TempDir Path folder;

    /** Real fine-tuning, against EJML's dense SVD of the differences. */
    @ParameterizedTest
    @EnumSource(names = {"openblas", "ejml"})
    void errorsAreWithinAThousandthOfTheDenseOptimum(Kernels.Choice kernel) throws IOException {
        Path out = folder.resolve("out");
        Ledger ledger = run(FAMILY.resolve("fft-pos"), new RankRule.Fixed(8), kernel, 1, out);
        Map<String, double[][]> deltas = Deltas.byPeft(out);
        assertThat(deltas).hasSize(19);
        try (var before = SafetensorsReader.open(FAMILY.resolve("base/model.safetensors"));
                var after = SafetensorsReader.open(FAMILY.resolve("fft-pos/model.safetensors"))) {
            for (var entry : deltas.entrySet()) {
                String name = entry.getKey() + ".weight";
                double[][] change = difference(before, after, name);
                double[] sigma = new SimpleMatrix(change).svd().getSingularValues();
                double best = 0;
                for (int i = sigma.length - 1; i >= 8; i--) {
                    best += sigma[i] * sigma[i];
                }
                best = Math.sqrt(best);
                double error = Deltas.distance(change, entry.getValue());
                assertThat(error).as(name).isLessThan(1.001 * best).isGreaterThan(0.9999 * best);
                // what the ledger says is what a dense comparison finds
                TensorRecord record = record(ledger, name);
                assertThat(record.figure("relativeError"))
                        .isCloseTo(error / Deltas.norm(change), within(1e-5));
                assertThat(record.treatment()).isEqualTo("extracted");
            }
        }
    }

    @Test
    void lowRankChangeComesBackAtItsRankAndNothingElseIsSaved() throws IOException {
        var random = new Random(1);
        float[] base = gaussian(random, 40 * 30);
        float[] tuned = base.clone();
        float[] left = gaussian(random, 40 * 3);
        float[] right = gaussian(random, 3 * 30);
        for (int i = 0; i < 40; i++) {
            for (int j = 0; j < 30; j++) {
                for (int l = 0; l < 3; l++) {
                    tuned[i * 30 + j] += left[i * 3 + l] * right[l * 30 + j];
                }
            }
        }
        float[] frozen = gaussian(random, 40 * 40);
        float[] norm = gaussian(random, 40);
        Path before = folder.resolve("base.safetensors");
        Path after = folder.resolve("tuned.safetensors");
        write(before, Map.of("a.q.weight", base, "a.k.weight", frozen, "a.norm.weight", norm));
        write(after, Map.of("a.q.weight", tuned, "a.k.weight", frozen, "a.norm.weight", norm));
        Path out = folder.resolve("out");
        Ledger ledger = run(before, after, new RankRule.Tolerance(1e-4), 128, out);
        assertThat(record(ledger, "a.q.weight").figure("rank")).isEqualTo(3);
        assertThat(record(ledger, "a.k.weight").treatment()).isEqualTo("unchanged");
        assertThat(record(ledger, "a.norm.weight").treatment()).isEqualTo("unchanged");
        try (var adapter = PeftAdapter.open(out)) {
            assertThat(adapter.modules())
                    .extracting(module -> module.name())
                    .containsExactly("a.q");
            assertThat(adapter.others()).isEmpty();
        }
        try (var one = SafetensorsReader.open(before);
                var other = SafetensorsReader.open(after)) {
            double[][] change = difference(one, other, "a.q.weight");
            double[][] got = Deltas.byPeft(out).get("a.q");
            assertThat(got).isNotNull();
            assertThat(Deltas.distance(change, got)).isLessThan(1e-6 * Deltas.norm(change));
        }
    }

    /** mergekit saves them whole, and writes a rank of 0 that peft refuses. */
    @Test
    void modelThatDidNotChangeIsRefused() {
        Path out = folder.resolve("out");
        assertThatThrownBy(() ->
                        run(
                                FAMILY.resolve("base"),
                                new RankRule.Fixed(4),
                                Kernels.Choice.auto,
                                1,
                                out))
                .isInstanceOf(ConversionException.NothingMatched.class)
                .hasMessageContaining("none of its 21 weights differs");
        assertThat(folder).isEmptyDirectory();
    }

    /** deltatensors cannot read its own file where base and fine-tune are cut into other shards. */
    @Test
    void shardsOfTheFineTuneDoNotMatter() throws IOException {
        var random = new Random(3);
        float[] q = gaussian(random, 1200);
        float[] k = gaussian(random, 1600);
        Path before = folder.resolve("base.safetensors");
        write(before, Map.of("a.q.weight", q, "a.k.weight", k));
        float[] newQ = gaussian(random, 1200);
        float[] newK = gaussian(random, 1600);
        Path whole = folder.resolve("tuned.safetensors");
        write(whole, Map.of("a.q.weight", newQ, "a.k.weight", newK));
        Path sharded = Files.createDirectory(folder.resolve("sharded"));
        String one = "model-00001-of-00002.safetensors";
        String two = "model-00002-of-00002.safetensors";
        write(sharded.resolve(one), Map.of("a.q.weight", newQ));
        write(sharded.resolve(two), Map.of("a.k.weight", newK));
        Files.writeString(
                sharded.resolve("model.safetensors.index.json"),
                """
                {"metadata": {"total_size": 11200},
                 "weight_map": {"a.q.weight": "%s", "a.k.weight": "%s"}}
                """
                        .formatted(one, two));
        run(before, whole, new RankRule.Fixed(4), 4, folder.resolve("o1"));
        run(before, sharded, new RankRule.Fixed(4), 4, folder.resolve("o2"));
        assertThat(folder.resolve("o1/adapter_model.safetensors"))
                .hasSameBinaryContentAs(folder.resolve("o2/adapter_model.safetensors"));
    }

    @Test
    void whatAProfileCannotHoldIsRefusedUnlessLeftOut() throws IOException {
        Path out = folder.resolve("out");
        var uniform =
                new AdapterCut.Policy(
                        new RankRule.Fixed(4), AdapterProfile.uniform, Optional.empty());
        assertThatThrownBy(() -> run(request(uniform, false, out)))
                .isInstanceOf(ConversionException.UnusableValues.class)
                .hasMessageContaining("LayerNorm")
                .hasMessageContaining("uniform");
        assertThat(folder).isEmptyDirectory();
        Ledger ledger = run(request(uniform, true, out));
        assertThat(ledger.warnings()).anySatisfy(line -> assertThat(line).contains("left out"));
        try (var adapter = PeftAdapter.open(out)) {
            assertThat(adapter.others()).isEmpty();
            assertThat(Deltas.byOneRank(out)).hasSize(19);
        }
    }

    @Test
    void budgetSpendsWhereItHelps() throws IOException {
        var whole = 1_000_000L;
        var size =
                new AdapterCut.Policy(
                        new RankRule.Size(whole, 0), AdapterProfile.pattern, Optional.empty());
        Path out = folder.resolve("size");
        Ledger budget = run(request(size, false, out));
        assertThat(Files.size(out.resolve(PeftAdapter.WEIGHTS)))
                .isEqualTo((long) budget.total("fileBytes"))
                .isBetween(whole - 2000, whole);
        long parameters =
                budget.tensors().stream()
                        .filter(record -> record.treatment().equals("extracted"))
                        .mapToLong(record -> record.bytesOut() / 2)
                        .sum();
        int rank = 1;
        while (true) {
            Ledger fixed =
                    run(
                            FAMILY.resolve("fft-pos"),
                            new RankRule.Fixed(rank),
                            Kernels.Choice.auto,
                            2,
                            folder.resolve("r" + rank));
            long used =
                    fixed.tensors().stream()
                            .filter(record -> record.treatment().equals("extracted"))
                            .mapToLong(record -> record.bytesOut() / 2)
                            .sum();
            if (used > parameters) {
                break;
            }
            assertThat(budget.total("relativeError")).isLessThan(fixed.total("relativeError"));
            rank += 4;
        }
        assertThat(rank).isGreaterThan(1);
    }

    @ParameterizedTest
    @EnumSource(names = {"openblas", "ejml"})
    void bytesDoNotDependOnThreads(Kernels.Choice kernel) throws IOException {
        Path one = folder.resolve("one");
        Path three = folder.resolve("three");
        run(FAMILY.resolve("fft-spam"), new RankRule.Energy(0.6), kernel, 1, one);
        run(FAMILY.resolve("fft-spam"), new RankRule.Energy(0.6), kernel, 3, three);
        for (String file :
                List.of("adapter_config.json", "adapter_model.safetensors", "README.md")) {
            assertThat(one.resolve(file)).hasSameBinaryContentAs(three.resolve(file));
        }
        String json = Files.readString(one.resolve("graft.json"));
        String other = Files.readString(three.resolve("graft.json"));
        assertThat(json.substring(0, json.indexOf("\"run\"")))
                .isEqualTo(other.substring(0, other.indexOf("\"run\"")));
    }

    @Test
    void notANumberIsRefusedWithItsPlace() throws IOException {
        float[] values = gaussian(new Random(2), 12);
        float[] broken = values.clone();
        broken[7] = Float.NaN;
        Path before = folder.resolve("base.safetensors");
        Path after = folder.resolve("tuned.safetensors");
        write(before, Map.of("a.q.weight", values));
        write(after, Map.of("a.q.weight", broken));
        assertThatThrownBy(() -> run(before, after, new RankRule.Fixed(2), 2, folder.resolve("o")))
                .isInstanceOf(ConversionException.UnusableValues.class)
                .hasMessageContaining("a.q.weight")
                .hasMessageContaining("element 7 is NaN");
        assertThat(folder.resolve("o")).doesNotExist();
    }

    /** peft loads it, and merges it to the fine-tune but for what the ledger says is lost. */
    @Test
    void peftMergesItToTheFineTune() throws Exception {
        Python python = Python.with("peft", "transformers", "safetensors");
        List<String> arguments = new ArrayList<>();
        for (var embeddings : ExtractRequest.Embeddings.values()) {
            Path out = folder.resolve(embeddings.name());
            var policy =
                    new AdapterCut.Policy(
                            new RankRule.Energy(0.9), AdapterProfile.pattern, Optional.empty());
            run(
                    new ExtractRequest(
                            FAMILY.resolve("fft-debsection"),
                            "fft-debsection",
                            FAMILY.resolve("base"),
                            "base",
                            policy,
                            96,
                            embeddings,
                            false,
                            out,
                            false,
                            false,
                            2,
                            Kernels.Choice.auto,
                            Progress.NONE));
            arguments.add(FAMILY.resolve("fft-debsection").toString());
            arguments.add(out.toString());
        }
        python.run("check_extract.py", FAMILY.resolve("base").toString(), arguments);
    }

    private static TensorRecord record(Ledger ledger, String name) {
        return ledger.tensors().stream()
                .filter(record -> record.name().equals(name))
                .findFirst()
                .orElseThrow();
    }

    private static double[][] difference(
            SafetensorsReader before, SafetensorsReader after, String name) {
        TensorInfo info = after.find(name).orElseThrow();
        int rows = (int) info.shape().extent(0);
        int columns = (int) (info.shape().elements() / rows);
        float[] from = Checkpoints.values(before, name);
        float[] to = Checkpoints.values(after, name);
        double[][] change = new double[rows][columns];
        for (int i = 0; i < rows * columns; i++) {
            change[i / columns][i % columns] = to[i] - from[i];
        }
        return change;
    }

    private static float[] gaussian(Random random, int count) {
        float[] values = new float[count];
        for (int i = 0; i < count; i++) {
            values[i] = (float) random.nextGaussian();
        }
        return values;
    }

    /** Matrices of 30 or 40 columns as their lengths say, vectors otherwise. */
    private static void write(Path file, Map<String, float[]> tensors) throws IOException {
        Map<String, long[]> shapes = new TreeMap<>();
        tensors.forEach((name, values) ->
                shapes.put(
                        name,
                        switch (values.length) {
                            case 1200 -> new long[] {40, 30};
                            case 1600 -> new long[] {40, 40};
                            case 12 -> new long[] {4, 3};
                            default -> new long[] {values.length};
                        }));
        Checkpoints.write(file, DType.F32, tensors, shapes);
    }

    private static ExtractRequest request(AdapterCut.Policy policy, boolean factorsOnly, Path out) {
        return new ExtractRequest(
                FAMILY.resolve("fft-pos"),
                "fft-pos",
                FAMILY.resolve("base"),
                "base",
                policy,
                96,
                ExtractRequest.Embeddings.whole,
                factorsOnly,
                out,
                false,
                false,
                2,
                Kernels.Choice.auto,
                Progress.NONE);
    }

    private static Ledger run(ExtractRequest request) throws IOException {
        return new ExtractAdapter().run(request);
    }

    private static Ledger run(Path before, Path after, RankRule rule, int most, Path out)
            throws IOException {
        return run(
                new ExtractRequest(
                        after,
                        "tuned",
                        before,
                        "base",
                        new AdapterCut.Policy(rule, AdapterProfile.pattern, Optional.empty()),
                        most,
                        ExtractRequest.Embeddings.whole,
                        false,
                        out,
                        false,
                        false,
                        1,
                        Kernels.Choice.auto,
                        Progress.NONE));
    }

    private static Ledger run(
            Path fineTune, RankRule rule, Kernels.Choice kernel, int threads, Path out)
            throws IOException {
        return run(
                new ExtractRequest(
                        fineTune,
                        "fine-tune",
                        FAMILY.resolve("base"),
                        "base",
                        new AdapterCut.Policy(rule, AdapterProfile.pattern, Optional.empty()),
                        96,
                        ExtractRequest.Embeddings.whole,
                        false,
                        out,
                        false,
                        false,
                        threads,
                        kernel,
                        Progress.NONE));
    }
}
