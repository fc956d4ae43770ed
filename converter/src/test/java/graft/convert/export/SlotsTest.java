package graft.convert.export;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import graft.convert.ConversionException;
import graft.convert.ledger.Ledger;
import graft.convert.plan.Progress;
import graft.convert.testing.Python;
import graft.formats.UnsupportedFeatureException;
import graft.formats.onnx.OnnxAdapter;
import graft.formats.onnx.OnnxModel;
import graft.formats.peft.LoraModule;
import graft.formats.peft.PeftAdapter;
import graft.formats.tensor.DType;
import graft.formats.tensor.Elements;
import graft.formats.tensor.TensorInfo;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;

/** One graph of the trained family with slots for its four adapters, heads included. */
class SlotsTest {
    private static final Path FAMILY =
            Path.of(System.getProperty("graft.testdata"), "families/mini");
    private static final List<String> TASKS = List.of("pos", "spam", "nounsense", "debsection");

    @TempDir Path folder;

    private static ExportRequest.Named family(String name) {
        return new ExportRequest.Named(FAMILY.resolve(name), name);
    }

    private Ledger export(
            String exporter, SlotNames profile, DType type, String out, Stream<String> tasks)
            throws IOException {
        return new ExportModels()
                .run(
                        new ExportRequest(
                                tasks.map(SlotsTest::family).toList(),
                                Optional.of(
                                        FAMILY.resolve(
                                                "onnx/theta0-nounsense-" + exporter + ".onnx")),
                                Optional.empty(),
                                Optional.of(family("base")),
                                ExportRequest.Mode.slots,
                                new ExportRequest.Form(Optional.empty(), profile, type, false),
                                Optional.of(Duration.ofMinutes(5)),
                                folder.resolve(out),
                                false,
                                Progress.NONE));
    }

    private static Stream<String> adapters() {
        return TASKS.stream().map(task -> "lora-" + task);
    }

    @ParameterizedTest(name = "{0}, {1}, {2}")
    @CsvSource({
        "torchscript,peft,F32",
        "dynamo,genai,F32",
        "torchscript,olive,BF16",
        "dynamo,peft,BF16"
    })
    void everyAdapterEqualsItsMergedGraphAndEmptySlotsTheBase(
            String exporter, SlotNames profile, DType type) throws IOException {
        Ledger ledger = export(exporter, profile, type, "out", adapters());
        assertThat(ledger.results()).hasSize(4);
        assertThat(String.valueOf(ledger.results().getFirst().get("gates")))
                .contains("gate=different")
                .contains(type == DType.F32 ? "gate=close" : "gate=roughly");
        assertThat(ledger.outputs())
                .extracting(Ledger.Output::path)
                .contains("slots.onnx", "base.onnx.data", "lora-pos.onnx_adapter");
        try (var graph = OnnxModel.open(folder.resolve("out/slots.onnx"))) {
            assertThat(graph.complaints()).isEmpty();
            SlotTable table = SlotTable.of(graph).orElseThrow();
            assertThat(table.slots())
                    .filteredOn(slot -> slot.kind() == Slot.Kind.linear)
                    .allMatch(slot -> slot.type() == type);
        }
    }

    @ParameterizedTest
    @EnumSource(SlotNames.class)
    void adapterComesBackAsItWas(SlotNames profile) throws IOException {
        export("dynamo", profile, DType.F32, "out", Stream.of("lora-spam"));
        Path file = folder.resolve("out/lora-spam.onnx_adapter");
        // heads have no place in PEFT's factors: leave them out
        Path plain = folder.resolve("plain.onnx_adapter");
        try (var adapter = OnnxAdapter.open(file)) {
            List<TensorInfo> factors =
                    adapter.tensors().stream()
                            .filter(i -> SlotNames.parse(i.name()).isPresent())
                            .toList();
            assertThat(factors).hasSizeLessThan(adapter.tensors().size());
            try (var out =
                    graft.formats.onnx.OnnxAdapterWriter.create(
                            plain, factors, graft.formats.onnx.OnnxAdapterWriter.Versions.FIRST)) {
                for (TensorInfo info : factors) {
                    out.write(info.name(), adapter.bytes(info.name()));
                }
            }
        }
        new AdapterFromOnnx()
                .run(
                        List.of(new ExportRequest.Named(plain, "plain")),
                        "base",
                        folder.resolve("back"),
                        false);
        try (var before = PeftAdapter.open(FAMILY.resolve("lora-spam"));
                var after = PeftAdapter.open(folder.resolve("back"))) {
            assertThat(after.modules()).hasSameSizeAs(before.modules());
            for (int i = 0; i < after.modules().size(); i++) {
                LoraModule was = before.modules().get(i);
                LoraModule is = after.modules().get(i);
                assertThat(GraphNames.same(is.name(), was.name())).isTrue();
                assertThat(is.rank()).isEqualTo(was.rank());
                assertThat(is.scale()).isEqualTo(1);
                float[] scaled = floats(was.b(), before.bytes(was.b()));
                for (int k = 0; k < scaled.length; k++) {
                    scaled[k] *= (float) was.scale();
                }
                assertThat(floats(is.b(), after.bytes(is.b()))).containsExactly(scaled);
                assertThat(floats(is.a(), after.bytes(is.a())))
                        .containsExactly(floats(was.a(), before.bytes(was.a())));
            }
        }
    }

    private static float[] floats(TensorInfo info, MemorySegment bytes) {
        float[] values = new float[(int) info.shape().elements()];
        Elements.widen(info.dtype(), bytes, 0, values, 0, values.length);
        return values;
    }

    /** As a graph by genai and an adapter by PEFT: Olive#2277. */
    @Test
    void adapterFitsAGraphWhoseSlotsAnotherToolNamed() throws IOException {
        export("torchscript", SlotNames.genai, DType.F32, "theirs", adapters());
        Ledger ledger = new ExportModels().run(overTheirs(noHead(), ExportRequest.Form.DEFAULT));
        assertThat(String.valueOf(ledger.results().getFirst().get("gates"))).contains("different");
        assertThat(ledger.outputs()).extracting(Ledger.Output::path).hasSize(1);
    }

    @Test
    void graphThatCameWithSlotsKeepsItsBase() throws IOException {
        export("torchscript", SlotNames.genai, DType.F32, "theirs", adapters());
        Path adapter = noHead();
        for (var form :
                List.of(
                        new ExportRequest.Form(
                                Optional.of(DType.F16), SlotNames.peft, DType.F32, false),
                        new ExportRequest.Form(
                                Optional.empty(), SlotNames.peft, DType.F32, true))) {
            assertThatThrownBy(() -> new ExportModels().run(overTheirs(adapter, form)))
                    .isInstanceOf(ConversionException.BaseMismatch.class)
                    .hasMessage("the graph came with slots and keeps its base");
        }
        assertThat(folder.resolve("ours")).doesNotExist();
    }

    private ExportRequest overTheirs(Path adapter, ExportRequest.Form form) throws IOException {
        return new ExportRequest(
                List.of(new ExportRequest.Named(adapter, "spam")),
                Optional.of(withoutMetadata(folder.resolve("theirs/slots.onnx"))),
                Optional.empty(),
                Optional.empty(),
                ExportRequest.Mode.slots,
                form,
                Optional.of(Duration.ofMinutes(5)),
                folder.resolve("ours"),
                false,
                Progress.NONE);
    }

    /** A merged weight is rounded once more than the base's and the factors. */
    @ParameterizedTest(name = "{0}, {1}")
    @CsvSource({"slots,BF16", "shared,BF16", "slots,F16", "shared,F16"})
    void adapterOverABaseOf16BitsAgreesToItsRounding(ExportRequest.Mode mode, DType storage)
            throws IOException {
        Ledger ledger =
                new ExportModels()
                        .run(
                                new ExportRequest(
                                        List.of(new ExportRequest.Named(noHead(), "spam")),
                                        Optional.of(
                                                FAMILY.resolve(
                                                        "onnx/theta0-nounsense-dynamo.onnx")),
                                        Optional.empty(),
                                        Optional.of(family("base")),
                                        mode,
                                        new ExportRequest.Form(
                                                Optional.of(storage),
                                                SlotNames.peft,
                                                DType.F32,
                                                false),
                                        Optional.of(Duration.ofMinutes(5)),
                                        folder.resolve("out"),
                                        false,
                                        Progress.NONE));
        assertThat(String.valueOf(ledger.results().getFirst().get("gates")))
                .contains("gate=roughly", "gate=different");
    }

    @Test
    void headOverABaseOfBfloat16IsReplacedAsTheBaseStoresIt() throws IOException {
        new ExportModels()
                .run(
                        new ExportRequest(
                                List.of(family("lora-pos"), family("lora-spam")),
                                Optional.of(
                                        FAMILY.resolve("onnx/theta0-nounsense-torchscript.onnx")),
                                Optional.empty(),
                                Optional.of(family("base")),
                                ExportRequest.Mode.slots,
                                new ExportRequest.Form(
                                        Optional.of(DType.BF16), SlotNames.peft, DType.F32, false),
                                Optional.of(Duration.ofMinutes(5)),
                                folder.resolve("out"),
                                false,
                                Progress.NONE));
        try (var graph = OnnxModel.open(folder.resolve("out/slots.onnx"))) {
            assertThat(SlotTable.of(graph).orElseThrow().slots())
                    .filteredOn(slot -> slot.kind() == Slot.Kind.whole && slot.type() == DType.BF16)
                    .extracting(Slot::module)
                    .containsExactly("classifier.weight");
        }
    }

    private Path withoutMetadata(Path graph) throws IOException {
        Path file = folder.resolve("theirs/stripped.onnx");
        try (var model = OnnxModel.open(graph)) {
            var bytes = model.proto().toBuilder().clearMetadataProps().build().toByteArray();
            java.nio.file.Files.write(file, bytes);
        }
        return file;
    }

    private Path noHead() throws IOException {
        return HeadlessAdapter.of(FAMILY.resolve("lora-spam"), folder.resolve("no-head"));
    }

    @Test
    void fineTuneInSlotsIsRefused() {
        assertThatThrownBy(() ->
                        export("dynamo", SlotNames.peft, DType.F32, "out", Stream.of("fft-pos")))
                .isInstanceOf(ConversionException.BaseMismatch.class)
                .hasMessageContaining("slots take adapters only");
        assertThat(folder.resolve("out")).doesNotExist();
    }

    /** Whether the base has a bias to add to, or not. */
    @ParameterizedTest
    @ValueSource(strings = {"lora_bias", "lora_bias_no_base_bias"})
    void biasOfFactorsIsRefusedByName(String name) {
        String adapter = FAMILY.resolve("../../adapters/" + name + "/adapter").toString();
        assertThatThrownBy(() ->
                        export("dynamo", SlotNames.peft, DType.F32, "out", Stream.of(adapter)))
                .isInstanceOf(UnsupportedFeatureException.class)
                .hasMessageContaining("does not handle lora_bias");
        assertThat(folder.resolve("out")).doesNotExist();
    }

    @Test
    void onnxRuntimesOwnPythonReadsTheAdapter() throws Exception {
        Python python = Python.with("onnxruntime", "numpy");
        export("dynamo", SlotNames.peft, DType.F32, "out", Stream.of("lora-spam"));
        python.run(
                "check_onnx.py",
                "adapter",
                List.of(
                        folder.resolve("out/lora-spam.onnx_adapter").toString(),
                        folder.resolve("python.onnx_adapter").toString()));
        try (var ours = OnnxAdapter.open(folder.resolve("out/lora-spam.onnx_adapter"));
                var theirs = OnnxAdapter.open(folder.resolve("python.onnx_adapter"))) {
            assertThat(theirs.tensors()).containsExactlyInAnyOrderElementsOf(ours.tensors());
            for (TensorInfo info : ours.tensors()) {
                assertThat(theirs.bytes(info.name()).mismatch(ours.bytes(info.name())))
                        .isEqualTo(-1);
            }
        }
    }
}
