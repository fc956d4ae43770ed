package graft.convert.reduce;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;

import graft.convert.ConversionException;
import graft.convert.ledger.Ledger;
import graft.convert.ledger.TensorRecord;
import graft.convert.linalg.Kernels;
import graft.convert.lowrank.AdapterCut;
import graft.convert.lowrank.RankRule;
import graft.convert.plan.Progress;
import graft.convert.testing.Deltas;
import graft.convert.testing.Python;
import graft.formats.checkpoint.Checkpoint;
import graft.formats.peft.AdapterProfile;
import graft.formats.peft.PeftAdapter;

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

class ReduceAdapterTest {
    private static final Path TESTDATA = Path.of(System.getProperty("graft.testdata"));

    @TempDir Path folder;

    /** Singular values and best errors by a dense float64 SVD of the reference fixtures. */
    @ParameterizedTest(name = "{0} to rank {1}, {2}")
    @CsvSource({
        "linear_r8,1,openblas",
        "linear_r8,4,openblas",
        "linear_r8,4,ejml",
        "rslora,2,openblas",
        "rank_alpha_pattern,2,openblas",
        "rank_alpha_pattern,6,ejml",
        "conv2d,2,openblas",
        "conv2d,1,ejml",
        "embedding,2,openblas",
        "gpt2_conv1d,2,openblas",
        "bf16_on_bf16,2,openblas"
    })
    void errorsEqualTheOptimum(String name, int rank, Kernels.Choice kernel) throws IOException {
        Path golden = TESTDATA.resolve("adapters/" + name + "/reduced_r" + rank + ".json");
        JsonNode modules = new ObjectMapper().readTree(golden.toFile()).get("modules");
        Ledger ledger = run(name, new RankRule.Fixed(rank), kernel, 1, folder.resolve("out"));
        assertThat(ledger.tensors()).hasSize(modules.size());
        for (TensorRecord record : ledger.tensors()) {
            JsonNode best = modules.get(record.name());
            double norm = best.get("norm_fro").asDouble();
            double optimum = best.get("error_fro").asDouble();
            assertThat(record.figure("norm")).isCloseTo(norm, within(1e-6 * norm));
            double truncation = Math.sqrt(1 - record.figure("energyKept")) * record.figure("norm");
            // the square root of a difference from 1 carries √ε
            assertThat(truncation).isCloseTo(optimum, within(1e-6 * optimum + 4e-8 * norm));
            double total = record.figure("relativeError") * norm;
            double rounding = record.figure("roundingError") * norm;
            assertThat(total).isCloseTo(Math.hypot(optimum, rounding), within(1e-6 * norm));
        }
    }

    @ParameterizedTest(name = "{0}")
    @CsvSource({"linear_r8", "redundant_rank", "rslora"})
    void energyChoosesTheReferencesRanks(String name) throws IOException {
        Path golden = TESTDATA.resolve("adapters/" + name + "/reduced_energy.json");
        JsonNode thresholds = new ObjectMapper().readTree(golden.toFile()).get("thresholds");
        for (var threshold : thresholds.properties()) {
            double kept = Double.parseDouble(threshold.getKey());
            Path out = folder.resolve("e" + threshold.getKey());
            Ledger ledger = run(name, new RankRule.Energy(kept), Kernels.Choice.auto, 1, out);
            for (TensorRecord record : ledger.tensors()) {
                int expected =
                        threshold.getValue().at("/modules").get(record.name()).get("rank").asInt();
                assertThat((int) record.figure("rank"))
                        .as("%s at %s", record.name(), kept)
                        .isEqualTo(expected);
            }
        }
    }

    @Test
    void toleranceHoldsForWhatIsStored() throws IOException {
        Path adapter = TESTDATA.resolve("families/mini/lora-debsection");
        Ledger ledger =
                run(
                        adapter,
                        new RankRule.Tolerance(0.1),
                        Kernels.Choice.auto,
                        1,
                        folder.resolve("out"));
        assertThat(ledger.tensors())
                .allSatisfy(record -> assertThat(record.figure("relativeError")).isLessThan(0.1));
        assertThat(ledger.tensors())
                .anySatisfy(record -> assertThat(record.figure("rank")).isLessThan(16));
        assertThatThrownBy(() ->
                        run(
                                adapter,
                                new RankRule.Tolerance(1e-7),
                                Kernels.Choice.auto,
                                1,
                                folder.resolve("finer")))
                .isInstanceOf(ConversionException.CheckFailed.class)
                .hasMessageContaining("finer than what F32 stores");
        assertThat(folder.resolve("finer")).doesNotExist();
    }

    @Test
    void fullEnergyDropsRedundantRanksAndLosesNothing() throws IOException {
        Ledger ledger =
                run(
                        "redundant_rank",
                        new RankRule.Energy(1),
                        Kernels.Choice.auto,
                        1,
                        folder.resolve("o"));
        assertThat(ledger.tensors())
                .allSatisfy(record -> {
                    assertThat(record.figure("rank")).isLessThan(record.figure("rankIn"));
                    assertThat(record.figure("relativeError")).isLessThan(1e-6);
                });
    }

    /** peft's save_as_lora fails as a whole where one module is smaller than the rank. */
    @Test
    void moduleSmallerThanTheRankGetsWhatItHas() throws IOException {
        Path source = folder.resolve("source");
        double[][] narrow = {{1, 2}, {0.5, -1}, {2, 0}, {1, 1}, {3, -2}};
        double[][] wide = {{1, 2, 0, 4, 1}, {0, 1, 0, 2, 2}, {5, 0, 1, 1, 0}, {0, 0, 3, 1, 1}};
        Deltas.write(source, Map.of("layer.wide", wide), 1);
        Path other = folder.resolve("other");
        Deltas.write(other, Map.of("layer.narrow", narrow), 1);
        Ledger ledger =
                new ReduceAdapter()
                        .run(
                                new ReduceRequest(
                                        "combine",
                                        List.of(
                                                new ReduceRequest.Source(source, "source", 1),
                                                new ReduceRequest.Source(other, "other", 1)),
                                        new AdapterCut.Policy(
                                                new RankRule.Fixed(3),
                                                AdapterProfile.pattern,
                                                Optional.empty()),
                                        Optional.empty(),
                                        false,
                                        folder.resolve("out"),
                                        false,
                                        false,
                                        1,
                                        Kernels.Choice.auto,
                                        Progress.NONE));
        assertThat(ledger.tensors())
                .extracting(record -> (int) record.figure("rank"))
                .containsExactly(2, 3);
    }

    @ParameterizedTest
    @CsvSource({"openblas", "ejml"})
    void bytesDoNotDependOnThreads(Kernels.Choice kernel) throws IOException {
        Path one = folder.resolve("one");
        Path two = folder.resolve("two");
        Path adapter = TESTDATA.resolve("families/mini/lora-debsection");
        var rule = new RankRule.Parameters(20_000, 0);
        run(adapter, rule, kernel, 1, one);
        run(adapter, rule, kernel, 2, two);
        for (String file :
                List.of("adapter_config.json", "adapter_model.safetensors", "README.md")) {
            assertThat(one.resolve(file)).hasSameBinaryContentAs(two.resolve(file));
        }
        String json = Files.readString(one.resolve("graft.json"));
        assertThat(beforeRun(json))
                .isEqualTo(beforeRun(Files.readString(two.resolve("graft.json"))));
    }

    private static String beforeRun(String json) {
        return json.substring(0, json.indexOf("\"run\""));
    }

    @Test
    void outputIsAnAdapterWithTheScaleInside() throws IOException {
        Path out = folder.resolve("out");
        run("rank_alpha_pattern", new RankRule.Energy(0.8), Kernels.Choice.auto, 2, out);
        try (var adapter = PeftAdapter.open(out)) {
            assertThat(adapter.modules()).allSatisfy(m -> assertThat(m.scale()).isEqualTo(1));
            assertThat(adapter.modules().stream().mapToInt(m -> m.rank()).distinct().count())
                    .isGreaterThan(1);
        }
    }

    /** peft loads without a word, and ignores, tensors that it would have named otherwise. */
    @ParameterizedTest
    @CsvSource({"wrapped_prefixes", "default_infix"})
    void tensorsAreNamedAsPeftNamesThem(String name) throws IOException {
        Path out = folder.resolve("out");
        run(name, new RankRule.Fixed(2), Kernels.Choice.auto, 1, out);
        try (var weights = Checkpoint.open(out.resolve("adapter_model.safetensors"))) {
            assertThat(weights.tensors())
                    .hasSize(8)
                    .allSatisfy(tensor ->
                            assertThat(tensor.name())
                                    .matches(
                                            "base_model\\.model\\.model\\.layers\\.[01]\\.self_attn"
                                                    + "\\.[qv]_proj\\.lora_[AB]\\.weight"));
        }
    }

    @ParameterizedTest
    @CsvSource({"nan_value", "inf_value"})
    void notFiniteValuesAreRefusedWithTensorAndElement(String name) {
        assertThatThrownBy(() ->
                        run(
                                name,
                                new RankRule.Fixed(2),
                                Kernels.Choice.auto,
                                1,
                                folder.resolve("out")))
                .isInstanceOf(ConversionException.UnusableValues.class)
                .hasMessageContaining("lora_")
                .hasMessageContaining("element");
        assertThat(folder).isEmptyDirectory();
    }

    @Test
    void adapterThatDoesNothingIsRefused() {
        assertThatThrownBy(() ->
                        run(
                                "zero_delta",
                                new RankRule.Fixed(2),
                                Kernels.Choice.auto,
                                1,
                                folder.resolve("out")))
                .isInstanceOf(ConversionException.NothingMatched.class);
        assertThat(folder).isEmptyDirectory();
    }

    @Test
    void existingOutputIsKept() throws IOException {
        Path out = Files.createDirectory(folder.resolve("out"));
        assertThatThrownBy(() -> run("rslora", new RankRule.Fixed(2), Kernels.Choice.auto, 1, out))
                .isInstanceOf(ConversionException.OutputExists.class);
        assertThat(out).isEmptyDirectory();
    }

    /** peft itself loads what Graft wrote, and its merged weights are source + truncation. */
    @Test
    void peftLoadsReducedAdaptersAndComputesTheSame() throws Exception {
        Python python = Python.with("peft", "transformers", "safetensors");
        List<String> arguments = new ArrayList<>();
        for (String task : List.of("pos", "spam", "nounsense", "debsection")) {
            Path adapter = TESTDATA.resolve("families/mini/lora-" + task);
            Path fixed = folder.resolve(task + "-fixed");
            Path energy = folder.resolve(task + "-energy");
            run(adapter, new RankRule.Fixed(4), Kernels.Choice.auto, 2, fixed);
            run(adapter, new RankRule.Energy(0.7), Kernels.Choice.auto, 2, energy);
            Path uniform = folder.resolve(task + "-uniform");
            var policy =
                    new AdapterCut.Policy(
                            new RankRule.Fixed(3), AdapterProfile.uniform, Optional.empty());
            new ReduceAdapter().run(ReduceRequest.of(adapter, task, policy, uniform));
            for (Path out : List.of(fixed, energy, uniform)) {
                arguments.add(adapter.toString());
                arguments.add(out.toString());
            }
        }
        python.run("check_peft.py", TESTDATA.resolve("families/mini/base").toString(), arguments);
    }

    private Ledger run(String name, RankRule rule, Kernels.Choice kernel, int threads, Path out)
            throws IOException {
        return run(TESTDATA.resolve("adapters/" + name + "/adapter"), rule, kernel, threads, out);
    }

    private static Ledger run(
            Path adapter, RankRule rule, Kernels.Choice kernel, int threads, Path out)
            throws IOException {
        var request = ReduceRequest.of(adapter, "adapter", rule, out);
        return new ReduceAdapter()
                .run(
                        new ReduceRequest(
                                request.command(),
                                request.sources(),
                                request.policy(),
                                request.base(),
                                request.factorsOnly(),
                                out,
                                request.force(),
                                request.dryRun(),
                                threads,
                                kernel,
                                request.progress()));
    }
}
