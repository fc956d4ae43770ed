package graft.convert.reduce;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import graft.convert.ConversionException;
import graft.convert.ledger.Ledger;
import graft.convert.linalg.Kernels;
import graft.convert.lowrank.RankRule;
import graft.convert.plan.Progress;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

class ReduceManyTest {
    private static final Path TESTDATA = Path.of(System.getProperty("graft.testdata"));

    @TempDir Path folder;

    @Test
    void manyAdaptersAreWhatEachAloneIs() throws IOException {
        List<ReduceRequest.Source> sources = new ArrayList<>();
        for (String task : List.of("pos", "spam")) {
            sources.add(
                    new ReduceRequest.Source(
                            TESTDATA.resolve("families/mini/lora-" + task), "lora-" + task, 1));
        }
        sources.add(sources.getFirst()); // a clash of names
        Path out = folder.resolve("out");
        Ledger ledger = many(sources, out, 2);
        assertThat(ledger.results())
                .extracting(row -> row.get("folder"))
                .containsExactly("lora-pos", "lora-spam", "lora-pos-2");
        Path alone = folder.resolve("alone");
        new ReduceAdapter()
                .run(
                        ReduceRequest.of(
                                sources.get(1).folder(), "adapter", new RankRule.Fixed(3), alone));
        for (String file : List.of("adapter_config.json", "adapter_model.safetensors")) {
            assertThat(out.resolve("lora-spam").resolve(file))
                    .hasSameBinaryContentAs(alone.resolve(file));
        }
        assertThat(new graft.convert.verify.VerifyOutput().run(out).failures()).isEmpty();
    }

    @Test
    void oneBadAdapterOfManyLeavesNothing() {
        Path out = folder.resolve("out");
        var good = new ReduceRequest.Source(TESTDATA.resolve("families/mini/lora-pos"), "a", 1);
        var bad = new ReduceRequest.Source(TESTDATA.resolve("adapters/nan_value/adapter"), "b", 1);
        assertThatThrownBy(() -> many(List.of(good, bad), out, 1))
                .isInstanceOf(ConversionException.UnusableValues.class)
                .hasMessageStartingWith("b: ");
        assertThat(folder).isEmptyDirectory();
    }

    private static Ledger many(List<ReduceRequest.Source> sources, Path out, int threads)
            throws IOException {
        var one = ReduceRequest.of(sources.getFirst().folder(), "", new RankRule.Fixed(3), out);
        return new ReduceMany()
                .run(
                        new ReduceRequest(
                                "reduce",
                                sources,
                                one.policy(),
                                Optional.empty(),
                                false,
                                out,
                                false,
                                false,
                                threads,
                                Kernels.Choice.auto,
                                Progress.NONE));
    }
}
