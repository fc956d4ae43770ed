package graft.convert.export;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import graft.convert.ConversionException;
import graft.convert.ledger.Ledger;
import graft.convert.plan.Progress;
import graft.convert.sparsify.SparsifyModel;
import graft.convert.sparsify.SparsifyOptions;
import graft.convert.sparsify.SparsifyRequest;
import graft.formats.onnx.OnnxAdapter;
import graft.formats.onnx.OnnxModel;
import graft.formats.onnx.proto.ModelProto;
import graft.formats.onnx.proto.OperatorSetIdProto;
import graft.formats.tensor.DType;
import graft.runtime.GraftSession;
import graft.runtime.SessionSettings;

import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;

/** Sparse deltas of the trained family, heads of several sizes included, from one session. */
class SparseSlotsTest {
    private static final Path FAMILY =
            Path.of(System.getProperty("graft.testdata"), "families/mini");
    private static final List<String> TASKS = List.of("debsection", "nounsense", "pos", "spam");

    @TempDir Path folder;

    private Path delta(String task, SparsifyOptions options, String name) throws IOException {
        Path out = folder.resolve(name);
        new SparsifyModel()
                .run(
                        new SparsifyRequest(
                                FAMILY.resolve("fft-" + task),
                                task,
                                FAMILY.resolve("base"),
                                "base",
                                options,
                                out,
                                false,
                                false,
                                1,
                                Progress.NONE));
        return out;
    }

    private Path delta(String task) throws IOException {
        return delta(task, SparsifyOptions.paper(0.05), task);
    }

    private Ledger export(
            List<Path> sources,
            ExportRequest.Mode mode,
            String exporter,
            @Nullable DType storage,
            String out)
            throws IOException {
        Path graph = FAMILY.resolve("onnx/theta0-nounsense-" + exporter + ".onnx");
        return export(sources, mode, graph, storage, out);
    }

    private Ledger export(
            List<Path> sources,
            ExportRequest.Mode mode,
            Path graph,
            @Nullable DType storage,
            String out)
            throws IOException {
        return new ExportModels()
                .run(
                        new ExportRequest(
                                sources.stream()
                                        .map(path ->
                                                new ExportRequest.Named(
                                                        path, path.getFileName().toString()))
                                        .toList(),
                                Optional.of(graph),
                                Optional.empty(),
                                Optional.of(
                                        new ExportRequest.Named(FAMILY.resolve("base"), "base")),
                                mode,
                                new ExportRequest.Form(
                                        Optional.ofNullable(storage),
                                        SlotNames.peft,
                                        DType.F32,
                                        false),
                                Optional.of(Duration.ofMinutes(5)),
                                folder.resolve(out),
                                false,
                                Progress.NONE));
    }

    private Ledger export(List<Path> sources, ExportRequest.Mode mode, String out)
            throws IOException {
        return export(sources, mode, "torchscript", null, out);
    }

    /** The gates run each graph beside the dense one, in two shapes, with padding. */
    @ParameterizedTest(name = "{0}, {1}")
    @CsvSource({"torchscript,", "dynamo,", "dynamo,BF16"})
    void filledSlotsHoldTheDenseWeightsAndEmptyOnesTheBases(
            String exporter, @Nullable DType storage) throws IOException {
        Ledger ledger =
                export(
                        List.of(delta("pos"), delta("spam")),
                        ExportRequest.Mode.sparseSlots,
                        exporter,
                        storage,
                        "out");
        assertThat(ledger.options()).containsEntry("mode", "sparse-slots");
        assertThat(ledger.results())
                .hasSize(2)
                .allSatisfy(result ->
                        assertThat(result)
                                .containsEntry(
                                        "verified",
                                        "equals the dense model bit for bit where neither is optimized"));
        assertThat(gates(ledger.results().getFirst()))
                .containsExactly("weights", "close", "different", "weights", "close");
        assertThat(ledger.outputs())
                .extracting(Ledger.Output::path)
                .containsExactlyInAnyOrder(
                        "base.onnx.data", "pos.onnx_adapter", "slots.onnx", "spam.onnx_adapter");
        try (var graph = OnnxModel.open(folder.resolve("out/slots.onnx"));
                var adapter = OnnxAdapter.open(folder.resolve("out/pos.onnx_adapter"))) {
            assertThat(graph.complaints()).isEmpty();
            SlotTable table = SlotTable.of(graph).orElseThrow();
            List<String> inputs = new ArrayList<>();
            table.slots().forEach(slot -> inputs.addAll(List.of(slot.a(), slot.b())));
            assertThat(inputs)
                    .containsAll(adapter.tensors().stream().map(info -> info.name()).toList());
        }
    }

    private static List<String> gates(Map<String, Object> result) {
        return ((List<?>) Objects.requireNonNull(result.get("gates")))
                .stream().map(gate -> String.valueOf(((Map<?, ?>) gate).get("gate"))).toList();
    }

    /** One has nearly every entry, the other few: the first decides how initializers are filled. */
    @Test
    void denseDeltaBesideASparseOneReplacesInitializersWhole() throws IOException {
        Path compact = delta("pos", SparsifyOptions.compact(), "compact");
        Ledger ledger =
                export(List.of(compact, delta("spam")), ExportRequest.Mode.sparseSlots, "out");
        assertThat(ledger.results().getFirst()).containsEntry("scattered", 0);
        assertThat(ledger.results().getLast()).containsEntry("scattered", 2);
    }

    @Test
    void eightThreadsRunFourTasksOfOneSessionAsTheirDenseGraphs() throws Exception {
        List<Path> deltas = new ArrayList<>();
        for (String task : TASKS) {
            deltas.add(delta(task));
        }
        export(deltas, ExportRequest.Mode.sparseSlots, "slots");
        export(deltas, ExportRequest.Mode.merged, "merged");
        var optimized = SessionSettings.DEFAULT.withThreads(1);
        compare(optimized.unoptimized(), 0); // bit for bit
        compare(optimized, 1e-5f);
    }

    private void compare(SessionSettings settings, float tolerance) throws Exception {
        try (var slots = GraftSession.open(folder.resolve("slots"), settings);
                var merged = GraftSession.open(folder.resolve("merged"), settings)) {
            assertThat(slots.tasks()).isEqualTo(TASKS);
            var shapes = List.of(new int[] {1, 7}, new int[] {4, 12});
            EightThreads.compare(slots, merged, shapes, tolerance);
        }
    }

    @Test
    void fineTunesAndAdaptersAreRefused() {
        for (String source : List.of("fft-pos", "lora-pos")) {
            assertThatThrownBy(() ->
                            export(
                                    List.of(FAMILY.resolve(source)),
                                    ExportRequest.Mode.sparseSlots,
                                    "out"))
                    .isInstanceOf(ConversionException.BaseMismatch.class)
                    .hasMessageContaining("is no sparse delta");
        }
        assertThat(folder.resolve("out")).doesNotExist();
    }

    /** ONNX Runtime 1.29 takes the process down with such an input. */
    @Test
    void wholeTensorOfFloat16IsRefused() throws IOException {
        Path pos = delta("pos");
        assertThatThrownBy(() ->
                        export(
                                List.of(pos),
                                ExportRequest.Mode.sparseSlots,
                                "torchscript",
                                DType.F16,
                                "out"))
                .isInstanceOf(ConversionException.BaseMismatch.class)
                .hasMessageContaining("no slot of float16");
    }

    @Test
    void graphThatCameWithSlotsIsRefusedAsSuch() throws IOException {
        Path pos = delta("pos");
        export(List.of(pos), ExportRequest.Mode.sparseSlots, "first");
        Path made = folder.resolve("first/slots.onnx");
        assertThatThrownBy(() ->
                        export(List.of(pos), ExportRequest.Mode.sparseSlots, made, null, "second"))
                .isInstanceOf(ConversionException.BaseMismatch.class)
                .hasMessageContaining("came with slots");
    }

    /** ScatterElements came with opset 11. */
    @Test
    void graphOfAnOpsetThatCannotScatterIsRefused() throws IOException {
        Path pos = delta("pos");
        Path file = FAMILY.resolve("onnx/theta0-nounsense-torchscript.onnx");
        ModelProto.Builder old;
        try (var graph = OnnxModel.open(file)) {
            old = graph.proto().toBuilder();
        }
        old.clearOpsetImport().addOpsetImport(OperatorSetIdProto.newBuilder().setVersion(10));
        Path graph = Files.write(folder.resolve("old.onnx"), old.build().toByteArray());
        assertThatThrownBy(() ->
                        export(List.of(pos), ExportRequest.Mode.sparseSlots, graph, null, "out"))
                .isInstanceOf(ConversionException.BaseMismatch.class)
                .hasMessageContaining("has opset 10, scattering needs 11");
    }

    @Test
    void deltasOfTwoMergedModelsAreRefused() throws IOException {
        Path one = bundle("one", "pos");
        Path two = bundle("two", "spam");
        assertThatThrownBy(() -> export(List.of(one, two), ExportRequest.Mode.sparseSlots, "out"))
                .isInstanceOf(ConversionException.BaseMismatch.class)
                .hasMessageContaining("several merged models");
    }

    private Path bundle(String name, String task) throws IOException {
        Path bundle = Files.createDirectory(folder.resolve(name));
        Files.writeString(bundle.resolve(Ledger.FILE_NAME), "{\"command\": \"convert\"}");
        Files.createDirectory(bundle.resolve("merged"));
        Files.move(delta(task), bundle.resolve(task));
        return bundle;
    }
}
