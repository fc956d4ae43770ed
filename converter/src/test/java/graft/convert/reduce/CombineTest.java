package graft.convert.reduce;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import graft.convert.ConversionException;
import graft.convert.ledger.Ledger;
import graft.convert.linalg.Kernels;
import graft.convert.lowrank.AdapterCut;
import graft.convert.lowrank.RankRule;
import graft.convert.plan.Progress;
import graft.convert.testing.Deltas;
import graft.formats.peft.AdapterProfile;
import graft.formats.peft.PeftAdapter;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;

class CombineTest {
    private static final Path TESTDATA = Path.of(System.getProperty("graft.testdata"));
    private static final Path CAT = TESTDATA.resolve("adapters/cat_combined");

    @TempDir Path folder;

    /** peft's own {@code add_weighted_adapter(combination_type="cat")} of the same parts. */
    @Test
    void sumIsPeftsCatCombination() throws IOException {
        Path out = folder.resolve("out");
        run(
                out,
                new RankRule.Lossless(),
                false,
                source(CAT.resolve("part_a"), 0.7),
                source(CAT.resolve("part_b"), 0.45));
        assertSame(Deltas.byPeft(CAT.resolve("adapter")), Deltas.byPeft(out), 1e-6);
    }

    /** peft forces "linear" on a single adapter and forgets the rank it was asked for. */
    @Test
    void oneAdapterIsWeightedAndCutAllTheSame() throws IOException {
        Path out = folder.resolve("out");
        Ledger ledger =
                run(
                        out,
                        new RankRule.Fixed(2),
                        false,
                        source(TESTDATA.resolve("adapters/redundant_rank/adapter"), -0.5));
        assertThat(ledger.tensors())
                .allSatisfy(record -> assertThat(record.figure("rank")).isLessThanOrEqualTo(2));
        Path full = folder.resolve("full");
        run(
                full,
                new RankRule.Lossless(),
                false,
                source(TESTDATA.resolve("adapters/redundant_rank/adapter"), -0.5));
        Map<String, double[][]> before =
                Deltas.byPeft(TESTDATA.resolve("adapters/redundant_rank/adapter"));
        before.values()
                .forEach(delta -> {
                    for (double[] row : delta) {
                        for (int j = 0; j < row.length; j++) {
                            row[j] *= -0.5;
                        }
                    }
                });
        assertSame(before, Deltas.byPeft(full), 1e-6);
    }

    /** A sum of A and a sum of B is another update; and what cancels must vanish. */
    @Test
    void adapterMinusItselfIsNothing() {
        Path part = CAT.resolve("part_a");
        assertThatThrownBy(() ->
                        run(
                                folder.resolve("out"),
                                new RankRule.Lossless(),
                                false,
                                source(part, 1),
                                source(part, -1)))
                .isInstanceOf(ConversionException.NothingMatched.class)
                .hasMessageContaining("modules is zero");
    }

    @Test
    void anAdapterTwiceHasItsOwnRank() throws IOException {
        Path part = CAT.resolve("part_a");
        Ledger ledger =
                run(
                        folder.resolve("out"),
                        new RankRule.Lossless(),
                        false,
                        source(part, 1),
                        source(part, 0.25));
        assertThat(ledger.tensors())
                .allSatisfy(record -> {
                    assertThat(2 * record.figure("rank")).isEqualTo(record.figure("rankIn"));
                    assertThat(record.figures().get("factoredBy")).isEqualTo("qr");
                });
    }

    @Test
    void headsOfTwoTasksAreNotAddedUp() throws IOException {
        Path one = TESTDATA.resolve("families/mini/lora-pos");
        Path two = TESTDATA.resolve("families/mini/lora-spam");
        Path out = folder.resolve("out");
        assertThatThrownBy(() ->
                        run(out, new RankRule.Fixed(4), false, source(one, 1), source(two, 1)))
                .isInstanceOf(ConversionException.BaseMismatch.class)
                .hasMessageContaining("classifier");
        run(out, new RankRule.Fixed(4), true, source(one, 1), source(two, 1));
        try (var adapter = PeftAdapter.open(out)) {
            assertThat(adapter.others()).isEmpty();
            assertThat(adapter.config().modulesToSave()).isEmpty();
        }
    }

    @Test
    void adaptersOfDifferentBasesAreRefused() {
        assertThatThrownBy(() ->
                        run(
                                folder.resolve("out"),
                                new RankRule.Lossless(),
                                true,
                                source(TESTDATA.resolve("adapters/linear_r8/adapter"), 1),
                                source(wider(), 1)))
                .isInstanceOf(ConversionException.BaseMismatch.class)
                .hasMessageContaining("model.layers.0.mlp.down_proj");
    }

    /** The same module names with other widths. */
    private Path wider() throws IOException {
        Path out = folder.resolve("wider");
        Deltas.write(out, Map.of("model.layers.0.mlp.down_proj", new double[7][9]), 1);
        return out;
    }

    private static ReduceRequest.Source source(Path folder, double weight) {
        return new ReduceRequest.Source(folder, folder.getFileName().toString(), weight);
    }

    private static Ledger run(
            Path out, RankRule rule, boolean factorsOnly, ReduceRequest.Source... sources)
            throws IOException {
        return new ReduceAdapter()
                .run(
                        new ReduceRequest(
                                "combine",
                                List.of(sources),
                                new AdapterCut.Policy(
                                        rule, AdapterProfile.pattern, Optional.empty()),
                                Optional.empty(),
                                factorsOnly,
                                out,
                                false,
                                false,
                                1,
                                Kernels.Choice.auto,
                                Progress.NONE));
    }

    private static void assertSame(
            Map<String, double[][]> expected, Map<String, double[][]> actual, double relative) {
        assertThat(actual.keySet()).isEqualTo(expected.keySet());
        expected.forEach((module, delta) ->
                assertThat(Deltas.distance(delta, actual.get(module)))
                        .as(module)
                        .isLessThan(relative * Deltas.norm(delta)));
    }
}
