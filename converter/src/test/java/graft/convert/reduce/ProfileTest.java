package graft.convert.reduce;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import static java.util.Objects.requireNonNull;

import graft.convert.ConversionException;
import graft.convert.lowrank.AdapterCut;
import graft.convert.lowrank.RankRule;
import graft.convert.testing.Deltas;
import graft.formats.peft.AdapterProfile;
import graft.formats.tensor.DType;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.Optional;

/** What each consumer of an adapter computes from each profile, by its own rules. */
class ProfileTest {
    private static final Path TESTDATA = Path.of(System.getProperty("graft.testdata"));

    /** A program's way from files to ΔW. */
    private interface Consumer {
        Map<String, double[][]> read(Path adapter) throws IOException;
    }

    @TempDir Path folder;

    /** Sources with rsLoRA, with patterns for ranks and scales, and with α ≠ r. */
    @ParameterizedTest(name = "{0} as {1}, ranks by {2}")
    @CsvSource({
        "rslora,pattern,energy", "rank_alpha_pattern,pattern,energy", "linear_r8,pattern,rank",
        "rslora,uniform,energy", "rank_alpha_pattern,uniform,energy", "linear_r8,uniform,rank",
        "rslora,gguf,energy", "rank_alpha_pattern,gguf,energy", "linear_r8,gguf,rank"
    })
    void everyConsumerOfAProfileComputesTheSameUpdate(
            String name, AdapterProfile profile, String by) throws IOException {
        RankRule rule = by.equals("rank") ? new RankRule.Fixed(3) : new RankRule.Energy(0.8);
        Path source = TESTDATA.resolve("adapters/" + name + "/adapter");
        Path out = write(source, rule, profile);
        Map<String, double[][]> truth = Deltas.byFactorsAlone(out); // the scale is in the factors
        double lost = by.equals("rank") ? 0.9 : Math.sqrt(0.2);
        Deltas.byPeft(source)
                .forEach((module, delta) ->
                        assertThat(Deltas.distance(delta, truth.get(module)))
                                .isLessThanOrEqualTo(lost * Deltas.norm(delta)));
        assertSame(truth, out, Deltas::byPeft);
        switch (profile) {
            case pattern -> {}
            case uniform -> {
                assertSame(truth, out, Deltas::byOneRank);
                assertSame(truth, out, Deltas::byLlamaCpp);
            }
            case gguf -> assertSame(truth, out, Deltas::byLlamaCpp);
        }
    }

    @Test
    void patternIsWhatOtherRuntimesGetWrong() throws IOException {
        Path source = TESTDATA.resolve("adapters/rank_alpha_pattern/adapter");
        Path out = write(source, new RankRule.Energy(0.8), AdapterProfile.pattern);
        assertThatThrownBy(() -> Deltas.byOneRank(out)).isInstanceOf(AssertionError.class);
        assertThatThrownBy(() -> assertSame(Deltas.byFactorsAlone(out), out, Deltas::byLlamaCpp))
                .isInstanceOf(AssertionError.class);
    }

    @Test
    void whatLlamaCppStopsAtIsRefused() throws IOException {
        Path source = TESTDATA.resolve("families/mini/lora-pos");
        assertThatThrownBy(() -> write(source, new RankRule.Fixed(4), AdapterProfile.gguf))
                .isInstanceOf(ConversionException.UnusableValues.class)
                .hasMessageContaining("classifier");
        assertThat(folder).isEmptyDirectory();
    }

    @Test
    void uniformPaddingIsZeroAndCostsWhatTheLedgerSays() throws IOException {
        Path source = TESTDATA.resolve("adapters/rank_alpha_pattern/adapter");
        Path out = write(source, new RankRule.Energy(0.8), AdapterProfile.uniform);
        String config = Files.readString(out.resolve("adapter_config.json"));
        assertThat(config).contains("\"rank_pattern\" : { }", "\"alpha_pattern\" : { }");
    }

    /**
     * kohya's resize takes a PEFT file with α = 2r for scale 1; folding the scale in avoids that.
     */
    @Test
    void scaleSurvivesReadersThatIgnoreTheConfiguration() throws IOException {
        Path source = folder.resolve("source");
        double[][] delta = {{1, 2, 0}, {0.5, -1, 3}, {2, 0, 1}};
        Deltas.write(source, Map.of("layer.q", delta), 2);
        Path out = write(source, new RankRule.Lossless(), AdapterProfile.pattern);
        double[][] ignoring = requireNonNull(Deltas.byFactorsAlone(out).get("layer.q"));
        double[][] twice = requireNonNull(Deltas.byPeft(source).get("layer.q"));
        assertThat(twice[1][2]).isEqualTo(6);
        assertThat(Deltas.distance(twice, ignoring)).isLessThan(1e-6 * Deltas.norm(twice));
    }

    private Path write(Path source, RankRule rule, AdapterProfile profile) throws IOException {
        Path out = folder.resolve("out");
        var policy = new AdapterCut.Policy(rule, profile, Optional.of(DType.F32));
        new ReduceAdapter().run(ReduceRequest.of(source, "source", policy, out));
        return out;
    }

    private static void assertSame(Map<String, double[][]> truth, Path adapter, Consumer consumer)
            throws IOException {
        Map<String, double[][]> read = consumer.read(adapter);
        assertThat(read.keySet()).isEqualTo(truth.keySet());
        truth.forEach((module, delta) ->
                assertThat(Deltas.distance(delta, read.get(module)))
                        .as(module)
                        .isLessThan(1e-12 * Deltas.norm(delta)));
    }
}
