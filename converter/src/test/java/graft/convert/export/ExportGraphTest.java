package graft.convert.export;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import graft.convert.ConversionException;
import graft.formats.checkpoint.Checkpoint;
import graft.formats.onnx.OnnxModel;
import graft.formats.peft.PeftAdapter;
import graft.formats.safetensors.SafetensorsReader;
import graft.formats.tensor.DType;
import graft.formats.tensor.Elements;
import graft.formats.tensor.Shape;
import graft.formats.tensor.TensorInfo;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;

/** Real exports of both of torch's exporters, run by ONNX Runtime. */
class ExportGraphTest {
    private static final Path FAMILY =
            Path.of(System.getProperty("graft.testdata"), "families/mini");
    private static final ValueLayout.OfLong I64 =
            ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    @TempDir Path folder;

    private static Path graph(String exporter) {
        return FAMILY.resolve("onnx/theta0-nounsense-" + exporter + ".onnx");
    }

    /** Eight rows that torch ran when it exported the graphs, with its logits. */
    private record Example(Map<String, long[]> inputs, int rows, int width, float[] logits) {
        static Example read() throws IOException {
            try (var file = SafetensorsReader.open(FAMILY.resolve("onnx/example.safetensors"))) {
                Map<String, long[]> inputs = new HashMap<>();
                for (TensorInfo info : file.tensors()) {
                    if (info.dtype() == DType.I64) {
                        long[] values = new long[(int) info.shape().elements()];
                        MemorySegment.copy(
                                file.bytes(info.name()), I64, 0, values, 0, values.length);
                        inputs.put(info.name(), values);
                    }
                }
                TensorInfo out = file.find("logits").orElseThrow();
                float[] logits = new float[(int) out.shape().elements()];
                Elements.widen(DType.F32, file.bytes("logits"), 0, logits, 0, logits.length);
                return new Example(inputs, 8, 32, logits);
            }
        }

        float[] run(Path graph) throws IOException {
            try (var model = OrtModel.open(graph)) {
                float[][] out = model.run(inputs, rows, width);
                float[] flat = new float[rows * out[0].length];
                for (int i = 0; i < rows; i++) {
                    System.arraycopy(out[i], 0, flat, i * out[0].length, out[0].length);
                }
                return flat;
            }
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"torchscript", "dynamo"})
    void everyEncoderTensorIsBoundByContentAlone(String exporter) throws IOException {
        try (var model = OnnxModel.open(graph(exporter));
                var base = Checkpoint.open(FAMILY.resolve("base"))) {
            var binding = GraphBinding.bind(model, base);
            assertThat(binding.bindings())
                    .hasSize(55)
                    .allMatch(b -> b.how() == Binding.Evidence.HASH)
                    .filteredOn(b -> b.layout().isTransposed())
                    .hasSize(18);
            assertThat(binding.bindings())
                    .filteredOn(b ->
                            !b.initializer().startsWith("onnx::")
                                    && !b.initializer().startsWith("val_"))
                    .allMatch(b -> b.initializer().equals(b.tensor()));
            assertThat(binding.unboundTensors()).allMatch(name -> name.startsWith("cls."));
            assertThat(binding.unboundInitializers())
                    .contains("classifier.weight", "classifier.bias");
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"torchscript", "dynamo"})
    void unchangedExportGivesTorchsLogits(String exporter) throws IOException {
        var example = Example.read();
        try (var model = OnnxModel.open(graph(exporter));
                var base = Checkpoint.open(FAMILY.resolve("base"))) {
            var export = new ExportGraph(model, base);
            export.merged("same", List.of(), folder);
            export.sharedBase(folder);
            export.shared("over", List.of(), folder);
        }
        float scale = 0;
        for (float logit : example.logits()) {
            scale = Math.max(scale, Math.abs(logit));
        }
        assertThat(example.run(folder.resolve("same.onnx")))
                .containsExactly(example.logits(), within(1e-5f * scale));
        assertThat(example.run(folder.resolve("over.onnx")))
                .containsExactly(example.run(folder.resolve("same.onnx")));
    }

    /** Every tensor partly changed at random places: scattered and dense must agree bit for bit. */
    @ParameterizedTest(name = "{0}, density {1}")
    @CsvSource({"torchscript,0.03", "dynamo,0.03", "torchscript,0.8", "dynamo,0.8"})
    void scatteredGraphEqualsTheDenseOneBitForBit(String exporter, double density)
            throws IOException {
        var example = Example.read();
        try (var model = OnnxModel.open(graph(exporter));
                var base = Checkpoint.open(FAMILY.resolve("base"));
                var merged = Checkpoint.open(FAMILY.resolve("fft-spam"))) {
            List<TensorChange> under = new ArrayList<>();
            List<TensorChange> sparse = new ArrayList<>();
            List<TensorChange> dense = new ArrayList<>();
            for (TensorInfo info : base.tensors()) {
                if (!info.name().startsWith("bert.")) {
                    continue;
                }
                float[] from = values(merged, info);
                under.add(replace(info, from.clone()));
                sparse.add(perturb(info, from, density));
                dense.add(replace(info, from));
            }
            var export = new ExportGraph(model, base);
            export.buildOn(under);
            export.sharedBase(folder);
            ExportReport report = export.shared("sparse", sparse, folder);
            export.shared("none", List.of(), folder);
            export.merged("dense", dense, folder);
            assertThat(report.scattered() > 0).isEqualTo(density < 0.5);
            assertThat(report.scattered() + report.replaced()).isEqualTo(55);
        }
        float[] expected = example.run(folder.resolve("dense.onnx"));
        assertThat(example.run(folder.resolve("sparse.onnx"))).containsExactly(expected);
        assertThat(example.run(folder.resolve("none.onnx"))).isNotEqualTo(expected);
    }

    @ParameterizedTest(name = "{0}, {1}")
    @CsvSource({"torchscript,pos,4", "torchscript,spam,2", "dynamo,debsection,10", "dynamo,spam,2"})
    void headOfAnotherSizeTakesTheGraphsPlace(String exporter, String task, int classes)
            throws IOException {
        var example = Example.read();
        try (var model = OnnxModel.open(graph(exporter));
                var base = Checkpoint.open(FAMILY.resolve("base"));
                var tuned = Checkpoint.open(FAMILY.resolve("fft-" + task));
                var adapter = PeftAdapter.open(FAMILY.resolve("lora-" + task))) {
            var export = new ExportGraph(model, base);
            export.merged("full", ModelChanges.ofCheckpoint(base, tuned), folder);
            export.sharedBase(folder);
            export.shared("lora", ModelChanges.ofAdapter(base, adapter), folder);
        }
        for (String name : List.of("full", "lora")) {
            Path file = folder.resolve(name + ".onnx");
            assertThat(example.run(file)).hasSize(8 * classes);
            try (var written = OnnxModel.open(file)) {
                var shape =
                        written.proto()
                                .getGraph()
                                .getOutput(0)
                                .getType()
                                .getTensorType()
                                .getShape();
                assertThat(shape.getDim(1).getDimValue()).isEqualTo(classes);
            }
        }
    }

    @Test
    void foreignCheckpointMatchesNothing() throws IOException {
        try (var model = OnnxModel.open(graph("dynamo"));
                var other =
                        SafetensorsReader.open(
                                FAMILY.resolve("lora-pos/adapter_model.safetensors"))) {
            assertThatThrownBy(() -> new ExportGraph(model, other))
                    .isInstanceOf(ConversionException.NothingMatched.class)
                    .hasMessageContaining("holds no weight of");
        }
    }

    @Test
    void changeWithoutAPlaceIsRefusedByName() throws IOException {
        try (var model = OnnxModel.open(graph("dynamo"));
                var base = Checkpoint.open(FAMILY.resolve("base"))) {
            var export = new ExportGraph(model, base);
            var lost = new TensorInfo("adapter.down.weight", DType.F16, Shape.of(96, 8));
            assertThatThrownBy(() ->
                            export.merged("x", List.of(replace(lost, new float[768])), folder))
                    .isInstanceOf(ConversionException.BaseMismatch.class)
                    .hasMessageContaining("adapter.down.weight");
        }
    }

    /** The base's own head is not in a graph with another one: nothing computes with it. */
    @Test
    void changeOfWhatTheGraphDoesNotComputeWithIsReported() throws IOException {
        try (var model = OnnxModel.open(graph("dynamo"));
                var base = Checkpoint.open(FAMILY.resolve("base"))) {
            var export = new ExportGraph(model, base);
            TensorInfo unused = base.find("cls.predictions.bias").orElseThrow();
            TensorInfo used = base.find("bert.embeddings.LayerNorm.bias").orElseThrow();
            TensorChange lost = replace(unused, new float[3000]);
            ExportReport report =
                    export.merged("x", List.of(lost, replace(used, values(base, used))), folder);
            assertThat(report.absent()).containsExactly("cls.predictions.bias");
            assertThatThrownBy(() -> export.merged("y", List.of(lost), folder))
                    .isInstanceOf(ConversionException.BaseMismatch.class)
                    .hasMessageContaining("cls.predictions.bias");
        }
    }

    @Test
    void sameInputGivesTheSameBytes() throws IOException {
        for (String name : List.of("a", "b")) {
            try (var model = OnnxModel.open(graph("dynamo"));
                    var base = Checkpoint.open(FAMILY.resolve("base"));
                    var tuned = Checkpoint.open(FAMILY.resolve("fft-pos"))) {
                Path out = java.nio.file.Files.createDirectory(folder.resolve(name));
                new ExportGraph(model, base)
                        .merged("pos", ModelChanges.ofCheckpoint(base, tuned), out);
            }
        }
        for (String file : List.of("pos.onnx", "pos.onnx.data")) {
            assertThat(folder.resolve("a/" + file))
                    .hasSameBinaryContentAs(folder.resolve("b/" + file));
        }
    }

    private static float[] values(Checkpoint source, TensorInfo info) {
        float[] values = new float[(int) info.shape().elements()];
        Elements.widen(info.dtype(), source.bytes(info.name()), 0, values, 0, values.length);
        return values;
    }

    /** Changes a share of {@code values} in place and describes the change. */
    private static TensorChange perturb(TensorInfo info, float[] values, double density) {
        var random = new Random(info.name().hashCode());
        List<Integer> places = new ArrayList<>();
        for (int i = 0; i < values.length; i++) {
            if (random.nextDouble() < density) {
                places.add(i);
                values[i] += (float) (0.05 * random.nextGaussian());
            }
        }
        if (places.isEmpty()) {
            places.add(0);
        }
        return new TensorChange.Scatter(
                info,
                places.size(),
                entry -> {
                    for (int place : places) {
                        entry.put(place, values[place]);
                    }
                });
    }

    private static TensorChange replace(TensorInfo info, float[] values) {
        return new TensorChange.Replace(
                info,
                (first, into, count) -> System.arraycopy(values, (int) first, into, 0, count));
    }
}
