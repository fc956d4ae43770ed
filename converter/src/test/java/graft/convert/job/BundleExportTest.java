package graft.convert.job;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import graft.convert.ConversionException;
import graft.convert.apply.AdapterRequest;
import graft.convert.apply.ApplyAdapter;
import graft.convert.apply.Rounding;
import graft.convert.export.ExportModels;
import graft.convert.export.ExportRequest;
import graft.convert.ledger.Ledger;
import graft.convert.merge.MergeOptions;
import graft.convert.plan.Progress;
import graft.convert.sparsify.ApplyDelta;
import graft.convert.sparsify.ApplyRequest;
import graft.convert.sparsify.SparsifyOptions;
import graft.formats.checkpoint.CheckpointWriter;
import graft.runtime.GraftSession;

import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;

/**
 * What {@code convert} makes of four fine-tunes and two adapters of one base, exported in every
 * mode, beside the dense export of each applied checkpoint.
 */
class BundleExportTest {
    private static final Path FAMILY =
            Path.of(System.getProperty("graft.testdata"), "families/mini");
    private static final Path GRAPH = FAMILY.resolve("onnx/theta0-nounsense-torchscript.onnx");
    private static final List<String> DELTAS =
            List.of("fft-debsection", "fft-nounsense", "fft-pos", "fft-spam");
    private static final List<String> ADAPTERS = List.of("lora-pos", "lora-spam");
    private static final double DENSITY = 0.05;

    @TempDir static Path folder;

    @BeforeAll
    static void convert() throws IOException {
        convert(Stream.concat(DELTAS.stream(), ADAPTERS.stream()).toList(), "bundle");
        convert(ADAPTERS, "adapters");
        for (String task : DELTAS) {
            apply(task);
            export(folder.resolve("applied/" + task), ExportRequest.Mode.merged, "dense/" + task);
        }
        for (String task : ADAPTERS) {
            applyAdapter(task);
            export(folder.resolve("applied/" + task), ExportRequest.Mode.merged, "dense/" + task);
        }
        export(folder.resolve("bundle"), ExportRequest.Mode.merged, "merged");
        export(folder.resolve("bundle"), ExportRequest.Mode.shared, "shared");
        export(folder.resolve("adapters"), ExportRequest.Mode.slots, "slots");
    }

    private static void convert(List<String> tasks, String out) throws IOException {
        new ConvertModels()
                .run(
                        new ConvertRequest(
                                tasks.stream()
                                        .map(task ->
                                                new ConvertRequest.Source(
                                                        FAMILY.resolve(task), task))
                                        .toList(),
                                FAMILY.resolve("base"),
                                "base",
                                MergeOptions.taskArithmetic(MergeOptions.DEFAULT_WEIGHT),
                                Optional.empty(),
                                SparsifyOptions.signs(DENSITY),
                                0.95,
                                Optional.of(GRAPH),
                                true,
                                folder.resolve(out),
                                false,
                                false,
                                false,
                                1,
                                Progress.NONE));
    }

    private static void apply(String task) throws IOException {
        new ApplyDelta()
                .run(
                        new ApplyRequest(
                                folder.resolve("bundle").resolve(task),
                                task,
                                folder.resolve("bundle/merged"),
                                "merged",
                                CheckpointWriter.DEFAULT_SHARD_BYTES,
                                folder.resolve("applied").resolve(task),
                                false,
                                1,
                                Progress.NONE));
    }

    private static void applyAdapter(String task) throws IOException {
        new ApplyAdapter()
                .run(
                        new AdapterRequest(
                                folder.resolve("bundle").resolve(task),
                                task,
                                List.of(
                                        new AdapterRequest.Base(
                                                "", FAMILY.resolve("base"), "base")),
                                null,
                                Rounding.ONCE,
                                folder.resolve("applied").resolve(task),
                                false,
                                1,
                                Progress.NONE));
    }

    private static Ledger export(Path source, ExportRequest.Mode mode, String out)
            throws IOException {
        return new ExportModels()
                .run(
                        new ExportRequest(
                                List.of(new ExportRequest.Named(source, "source")),
                                Optional.of(GRAPH),
                                Optional.empty(),
                                Optional.of(
                                        new ExportRequest.Named(FAMILY.resolve("base"), "base")),
                                mode,
                                ExportRequest.Form.DEFAULT,
                                Optional.of(Duration.ofMinutes(10)),
                                folder.resolve(out),
                                false,
                                Progress.NONE));
    }

    private static EvaluationRows rows(String task) throws IOException {
        String name = task.substring(task.indexOf('-') + 1);
        return EvaluationRows.read(FAMILY.resolve("eval-" + name + ".safetensors"));
    }

    private static Path dense(String task) {
        return folder.resolve("dense").resolve(task);
    }

    @Test
    void graphsOfDeltasEqualTheAppliedCheckpointsBitForBit() throws IOException {
        for (String task : DELTAS) {
            for (String exported : List.of("merged", "shared", "bundle")) {
                Path found = folder.resolve(exported);
                assertThat(Score.isSame(found, task, dense(task), task, rows(task)))
                        .as("%s %s", exported, task)
                        .isTrue();
            }
        }
    }

    @Test
    void everyTaskIsAsAccurateAsTheDenseModel() throws IOException {
        for (String task : DELTAS) {
            int right = Score.correct(dense(task), task, rows(task));
            assertThat(right).as(task).isGreaterThan(rows(task).rows() / 3); // 6 to 9 classes
            assertThat(Score.correct(folder.resolve("shared"), task, rows(task))).isEqualTo(right);
        }
        for (String task : ADAPTERS) {
            int right = Score.correct(dense(task), task, rows(task));
            for (String exported : List.of("merged", "shared", "bundle", "slots")) {
                assertThat(Score.correct(folder.resolve(exported), task, rows(task)))
                        .as("%s %s", exported, task)
                        .isEqualTo(right);
            }
        }
    }

    /** The shared form holds one base and each task's changes; the dense one four whole models. */
    @Test
    void foldersHoldTheBaseOnceAndADeltaPerTask() throws IOException {
        Path shared = folder.resolve("shared/deltas");
        long base = Files.size(shared.resolve("base.onnx.data"));
        long deltas = 0;
        for (String task : DELTAS) {
            deltas += Files.size(shared.resolve(task + ".onnx"));
            deltas += Files.size(shared.resolve(task + ".delta.data"));
        }
        assertThat(total(shared)).isEqualTo(base + deltas);
        // 30 kB of values; the rest is the graph, and tensors that begin at multiples of 4096 bytes
        assertThat(deltas / DELTAS.size()).isLessThan(base / 7);
        assertThat(total(dense(DELTAS.getFirst()))).isGreaterThan(base);
    }

    private static long total(Path folder) throws IOException {
        long bytes = 0;
        try (var files = Files.list(folder)) {
            for (Path file : files.toList()) {
                bytes += Files.isRegularFile(file) ? Files.size(file) : 0;
            }
        }
        return bytes;
    }

    @Test
    void oneSessionOpensBothKindsWhereverTheyLie() throws IOException {
        List<String> all = new ArrayList<>(DELTAS);
        all.addAll(ADAPTERS);
        for (String place : List.of("bundle", "bundle/onnx", "shared", "merged")) {
            try (var session = GraftSession.open(folder.resolve(place))) {
                assertThat(session.tasks()).as(place).isEqualTo(all);
                assertThat(session.session("lora-spam")).isNotNull();
            }
        }
        try (var session = GraftSession.open(folder.resolve("slots"))) {
            assertThat(session.tasks()).isEqualTo(ADAPTERS);
        }
    }

    @Test
    void ledgerNamesGraphsWhereTheyLie() throws IOException {
        Ledger ledger = export(folder.resolve("bundle"), ExportRequest.Mode.shared, "again");
        assertThat(ledger.results())
                .extracting(result -> result.get("graph"))
                .contains("deltas/fft-pos.onnx", "adapters/lora-pos.onnx");
        assertThat(ledger.outputs())
                .extracting(Ledger.Output::path)
                .contains("deltas/base.onnx.data", "adapters/base.onnx.data");
        assertThat(ledger.results().getFirst())
                .containsEntry("verified", "equals the dense model bit for bit");
    }

    @Test
    void deltasHaveNoSlots() {
        assertThatThrownBy(
                        () -> export(folder.resolve("bundle"), ExportRequest.Mode.slots, "refused"))
                .isInstanceOf(ConversionException.BaseMismatch.class)
                .hasMessageContaining("slots take adapters only");
        assertThat(folder.resolve("refused")).doesNotExist();
    }
}
