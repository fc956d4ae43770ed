package graft.convert.export;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import ai.onnxruntime.OnnxTensor;
import ai.onnxruntime.OrtEnvironment;

import graft.convert.ledger.Ledger;
import graft.convert.plan.Progress;
import graft.formats.onnx.OnnxAdapter;
import graft.formats.peft.LoraModule;
import graft.formats.peft.PeftAdapter;
import graft.formats.safetensors.SafetensorsReader;
import graft.formats.tensor.Elements;
import graft.formats.tensor.TensorInfo;
import graft.formats.tensor.TensorSource;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

import java.io.IOException;
import java.nio.FloatBuffer;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;

/**
 * An adapter by peft on a convolution, on three of four linear layers of an attention, whose query,
 * key and value one of the graphs keeps in one matrix, and a head.
 */
class AdaptedPatchesTest {
    private static final Path TESTDATA = Path.of(System.getProperty("graft.testdata"));
    private static final Path PATCHES = TESTDATA.resolve("export/patches");

    @TempDir Path folder;

    private Ledger export(
            Path adapter,
            Path base,
            Path graph,
            ExportRequest.Mode mode,
            SlotNames profile,
            String out)
            throws IOException {
        return new ExportModels()
                .run(
                        new ExportRequest(
                                List.of(new ExportRequest.Named(adapter, "adapter", "adapter")),
                                Optional.of(graph),
                                Optional.empty(),
                                Optional.of(new ExportRequest.Named(base, "base")),
                                mode,
                                new ExportRequest.Form(
                                        Optional.empty(),
                                        profile,
                                        ExportRequest.Form.DEFAULT.slotType(),
                                        false),
                                Optional.of(Duration.ofMinutes(5)),
                                folder.resolve(out),
                                false,
                                Progress.NONE));
    }

    @ParameterizedTest(name = "{0}, {1}")
    @CsvSource({
        "plain,merged",
        "packed,merged",
        "plain,shared",
        "packed,shared",
        "plain,slots",
        "packed,slots"
    })
    void everyModeComputesWhatPeftDoes(String graph, ExportRequest.Mode mode) throws Exception {
        Path adapter = PATCHES.resolve("adapter");
        Path plain = PATCHES.resolve(graph + ".onnx");
        export(adapter, PATCHES, plain, mode, SlotNames.peft, "out");
        boolean slots = mode == ExportRequest.Mode.slots;
        Path written = folder.resolve(slots ? "out/slots.onnx" : "out/adapter.onnx");
        Optional<Path> filled =
                Optional.of(folder.resolve("out/adapter.onnx_adapter")).filter(_ -> slots);
        try (var io = SafetensorsReader.open(PATCHES.resolve("io.safetensors"))) {
            assertComputes(written, filled, io, "adapted");
            if (slots) {
                assertComputes(written, Optional.empty(), io, "base");
            }
        }
    }

    private static void assertComputes(
            Path graph, Optional<Path> adapter, SafetensorsReader io, String expected)
            throws Exception {
        float[] pixels = floats(io, "pixels");
        float[] right = floats(io, expected);
        long[] shape = io.find("pixels").orElseThrow().shape().toArray();
        try (var run = GraphRun.open(graph, adapter);
                var tensor =
                        OnnxTensor.createTensor(
                                OrtEnvironment.getEnvironment(), FloatBuffer.wrap(pixels), shape)) {
            assertThat(run.run(Map.of("pixels", tensor)).get("logits"))
                    .containsExactly(right, within(2e-6f));
        }
    }

    private static float[] floats(TensorSource source, String name) {
        TensorInfo info = source.find(name).orElseThrow();
        float[] values = new float[(int) info.shape().elements()];
        Elements.widen(info.dtype(), source.bytes(name), 0, values, 0, values.length);
        return values;
    }

    @ParameterizedTest
    @EnumSource(SlotNames.class)
    void convolutionComesBackAsOne(SlotNames profile) throws IOException {
        Path adapter = HeadlessAdapter.of(PATCHES.resolve("adapter"), folder.resolve("adapter"));
        Path graph = PATCHES.resolve("plain.onnx");
        export(adapter, PATCHES, graph, ExportRequest.Mode.slots, profile, "out");
        assertComesBack(adapter, LoraModule.Layer.CONVOLUTION);
    }

    @Test
    void embeddingComesBackAsOne() throws IOException {
        Path model = TESTDATA.resolve("architectures/bert/model");
        Path adapter = model.resolve("lora/embedding");
        Path graph = model.resolve("exports/dynamo.onnx");
        export(adapter, model, graph, ExportRequest.Mode.slots, SlotNames.peft, "out");
        assertComesBack(adapter, LoraModule.Layer.EMBEDDING);
    }

    /** The same modules with the same factors, the scale in B's. */
    private void assertComesBack(Path adapter, LoraModule.Layer among) throws IOException {
        Path file = folder.resolve("out/adapter.onnx_adapter");
        new AdapterFromOnnx()
                .run(
                        List.of(new ExportRequest.Named(file, "file")),
                        "base",
                        folder.resolve("back"),
                        false);
        try (var before = PeftAdapter.open(adapter);
                var after = PeftAdapter.open(folder.resolve("back"))) {
            assertThat(after.modules()).hasSameSizeAs(before.modules());
            assertThat(after.modules()).extracting(LoraModule::layer).contains(among);
            for (LoraModule was : before.modules()) {
                LoraModule is =
                        after.modules().stream()
                                .filter(module -> module.layer() == was.layer())
                                .filter(module -> module.name().endsWith(was.name()))
                                .findFirst()
                                .orElseThrow(() -> new AssertionError(was.name()));
                assertThat(is.a().shape()).isEqualTo(was.a().shape());
                assertThat(is.b().shape()).isEqualTo(was.b().shape());
                assertThat(is.scale()).isEqualTo(1);
                assertThat(values(after, is.a())).containsExactly(values(before, was.a()));
                float[] scaled = values(before, was.b());
                for (int i = 0; i < scaled.length; i++) {
                    scaled[i] *= (float) was.scale();
                }
                assertThat(values(after, is.b())).containsExactly(scaled);
            }
        }
    }

    private static float[] values(PeftAdapter adapter, TensorInfo info) {
        float[] values = new float[(int) info.shape().elements()];
        Elements.widen(info.dtype(), adapter.bytes(info), 0, values, 0, values.length);
        return values;
    }

    /** Another tool's reader finds the kernel's extents in the file itself. */
    @Test
    void adapterOfAConvolutionSaysItsKernel() throws IOException {
        Path graph = PATCHES.resolve("packed.onnx");
        Path adapter = PATCHES.resolve("adapter");
        export(adapter, PATCHES, graph, ExportRequest.Mode.slots, SlotNames.peft, "out");
        try (var file = OnnxAdapter.open(folder.resolve("out/adapter.onnx_adapter"))) {
            TensorInfo a =
                    Objects.requireNonNull(file.find("projection.lora_A.weight").orElse(null));
            assertThat(a.shape().toArray()).containsExactly(3, 2, 2, 3);
        }
    }
}
