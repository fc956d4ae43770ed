package graft.convert.export;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.onnxruntime.OnnxTensor;
import ai.onnxruntime.OrtEnvironment;

import graft.convert.ConversionException;
import graft.formats.UnsupportedFeatureException;
import graft.formats.onnx.OnnxModel;
import graft.formats.onnx.proto.StringStringEntryProto;
import graft.formats.onnx.proto.ValueInfoProto;
import graft.formats.safetensors.SafetensorsReader;
import graft.formats.safetensors.SafetensorsWriter;
import graft.formats.tensor.DType;
import graft.formats.tensor.Elements;
import graft.formats.tensor.Shape;
import graft.formats.tensor.TensorInfo;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.FloatBuffer;
import java.nio.LongBuffer;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Random;

/** What exporters other than today's do to weights: packing, scaling, sharing, leaving out. */
class GraphBindingTest {
    private static final int IN = 6;
    private static final int OUT = 4;

    @TempDir Path folder;

    private final Random random = new Random(3);
    private final Map<String, TensorInfo> infos = new LinkedHashMap<>();
    private final Map<String, float[]> values = new LinkedHashMap<>();

    private float[] tensor(String name, long... dims) {
        float[] drawn = new float[(int) Shape.of(dims).elements()];
        for (int i = 0; i < drawn.length; i++) {
            drawn[i] = (float) random.nextGaussian();
        }
        return tensor(name, drawn, dims);
    }

    private float[] tensor(String name, float[] data, long... dims) {
        infos.put(name, new TensorInfo(name, DType.F32, Shape.of(dims)));
        values.put(name, data);
        return data;
    }

    private float[] data(String name) {
        return Objects.requireNonNull(values.get(name));
    }

    private TensorInfo info(String name) {
        return Objects.requireNonNull(infos.get(name));
    }

    private SafetensorsReader checkpoint() throws IOException {
        Path file = folder.resolve("model.safetensors");
        try (var out = SafetensorsWriter.create(file, infos.values(), Map.of());
                Arena arena = Arena.ofConfined()) {
            for (TensorInfo info : infos.values()) {
                float[] data = data(info.name());
                MemorySegment bytes = Materialised.allocate(info, arena);
                Elements.narrow(DType.F32, data, 0, bytes, 0, data.length);
                out.write(info.name(), 0, bytes);
            }
        }
        return SafetensorsReader.open(file);
    }

    private static float[] transpose(float[] data, int rows, int columns) {
        float[] turned = new float[data.length];
        for (int i = 0; i < rows; i++) {
            for (int j = 0; j < columns; j++) {
                turned[j * rows + i] = data[i * columns + j];
            }
        }
        return turned;
    }

    private static TensorChange replace(TensorInfo info, float[] data) {
        return new TensorChange.Replace(
                info, (first, into, count) -> System.arraycopy(data, (int) first, into, 0, count));
    }

    private static float[] run(Path graph, float[] x) throws Exception {
        try (var run = GraphRun.open(graph, Optional.empty());
                var tensor =
                        OnnxTensor.createTensor(
                                OrtEnvironment.getEnvironment(),
                                FloatBuffer.wrap(x),
                                new long[] {x.length / IN, IN})) {
            return run.run(Map.of("x", tensor)).values().iterator().next();
        }
    }

    private float[] x() {
        float[] x = new float[2 * IN];
        for (int i = 0; i < x.length; i++) {
            x[i] = (float) random.nextGaussian();
        }
        return x;
    }

    /** x · Wᵀ + b in float64. */
    private static float[] linear(float[] x, float[] w, float[] b, int out) {
        float[] y = new float[x.length / IN * out];
        for (int row = 0; row < x.length / IN; row++) {
            for (int j = 0; j < out; j++) {
                double sum = b.length == 0 ? 0 : b[j];
                for (int i = 0; i < IN; i++) {
                    sum += (double) x[row * IN + i] * w[j * IN + i];
                }
                y[row * out + j] = (float) sum;
            }
        }
        return y;
    }

    private static void assertClose(float[] found, float[] expected) {
        assertThat(found).hasSameSizeAs(expected);
        for (int i = 0; i < expected.length; i++) {
            assertThat(found[i])
                    .isCloseTo(expected[i], org.assertj.core.api.Assertions.within(1e-5f));
        }
    }

    /** Query, key and value in one matrix and one bias, as fused attention wants them. */
    @Test
    void partsOfPackedWeightsAreBoundAndChangedAlone() throws Exception {
        float[] packed = new float[IN * 3 * OUT];
        float[] bias = new float[3 * OUT];
        for (int part = 0; part < 3; part++) {
            String name = "layers.0.attn." + "qkv".charAt(part) + "_proj";
            float[] w = tensor(name + ".weight", OUT, IN);
            float[] b = tensor(name + ".bias", OUT);
            for (int j = 0; j < OUT; j++) {
                bias[part * OUT + j] = b[j];
                for (int i = 0; i < IN; i++) {
                    packed[i * 3 * OUT + part * OUT + j] = w[j * IN + i];
                }
            }
        }
        Path graph =
                new TinyGraph()
                        .input("x", TinyGraph.FLOAT, "n", IN)
                        .weight("packed", packed, IN, 3 * OUT)
                        .weight("bias", bias, 3 * OUT)
                        .node("MatMul", "/layers.0/attn/qkv_proj/MatMul", "y", "x", "packed")
                        .node("Add", "/layers.0/attn/qkv_proj/Add", "z", "y", "bias")
                        .output("z", "n", 3 * OUT)
                        .write(folder.resolve("packed.onnx"));
        try (var model = OnnxModel.open(graph);
                var base = checkpoint()) {
            var binding = GraphBinding.bind(model, base);
            assertThat(binding.bindings())
                    .extracting(
                            b -> b.initializer() + " = " + b.tensor() + ", " + b.layout().word())
                    .containsExactly(
                            "bias = layers.0.attn.q_proj.bias, identity, columns from 0",
                            "bias = layers.0.attn.k_proj.bias, identity, columns from 4",
                            "bias = layers.0.attn.v_proj.bias, identity, columns from 8",
                            "packed = layers.0.attn.q_proj.weight, transpose, columns from 0",
                            "packed = layers.0.attn.k_proj.weight, transpose, columns from 4",
                            "packed = layers.0.attn.v_proj.weight, transpose, columns from 8");
            assertThat(binding.unboundTensors()).isEmpty();
            float[] k = data("layers.0.attn.k_proj.weight").clone();
            k[5] = 9;
            var export = new ExportGraph(model, base);
            TensorInfo info = info("layers.0.attn.k_proj.weight");
            export.merged("dense", List.of(replace(info, k)), folder);
            export.sharedBase(folder);
            var scatter = new TensorChange.Scatter(info, 1, entry -> entry.put(5, 9));
            export.shared("sparse", List.of(scatter), folder);
            float[] x = x();
            float[] expected = new float[2 * 3 * OUT];
            for (int part = 0; part < 3; part++) {
                String name = "layers.0.attn." + "qkv".charAt(part) + "_proj";
                float[] w = part == 1 ? k : data(name + ".weight");
                float[] y = linear(x, w, data(name + ".bias"), OUT);
                for (int row = 0; row < 2; row++) {
                    System.arraycopy(y, row * OUT, expected, row * 3 * OUT + part * OUT, OUT);
                }
            }
            assertClose(run(folder.resolve("dense.onnx"), x), expected);
            assertThat(run(folder.resolve("sparse.onnx"), x))
                    .containsExactly(run(folder.resolve("dense.onnx"), x));
        }
    }

    /** Gemma's norms are stored with one added, some queries with 1/√d multiplied in. */
    @Test
    void scaledAndShiftedValuesAreRecognisedAndKept() throws Exception {
        float[] w = tensor("q_proj.weight", OUT, IN);
        float[] norm = tensor("norm.weight", IN);
        float scale = (float) (1 / Math.sqrt(24));
        float[] scaled = transpose(w, OUT, IN);
        for (int i = 0; i < scaled.length; i++) {
            scaled[i] *= scale;
        }
        float[] shifted = norm.clone();
        for (int i = 0; i < shifted.length; i++) {
            shifted[i] += 1;
        }
        Path graph =
                new TinyGraph()
                        .input("x", TinyGraph.FLOAT, "n", IN)
                        .weight("a", shifted, IN)
                        .weight("b", scaled, IN, OUT)
                        .node("Mul", "/norm/Mul", "y", "x", "a")
                        .node("MatMul", "/q_proj/MatMul", "z", "y", "b")
                        .output("z", "n", OUT)
                        .write(folder.resolve("scaled.onnx"));
        try (var model = OnnxModel.open(graph);
                var base = checkpoint()) {
            assertThat(GraphBinding.bind(model, base).bindings())
                    .extracting(b -> b.tensor() + ", " + b.layout().word())
                    .containsExactly(
                            "norm.weight, identity, plus 1.0",
                            "q_proj.weight, transpose, times " + scale);
            float[] moved = norm.clone();
            moved[0] += 0.5f;
            new ExportGraph(model, base)
                    .merged("moved", List.of(replace(info("norm.weight"), moved)), folder);
            float[] x = x();
            float[] y = x.clone();
            for (int i = 0; i < y.length; i++) {
                y[i] *= 1 + moved[i % IN];
            }
            float[] expected = linear(y, w, new float[0], OUT);
            for (int i = 0; i < expected.length; i++) {
                expected[i] *= scale;
            }
            assertClose(run(folder.resolve("moved.onnx"), x), expected);
            sparseChangesOfThemEqualDenseOnes(model, base, moved, x);
        }
    }

    private void sparseChangesOfThemEqualDenseOnes(
            OnnxModel model, SafetensorsReader base, float[] norm, float[] x) throws Exception {
        float[] w = data("q_proj.weight").clone();
        w[3] = 7;
        var export = new ExportGraph(model, base);
        export.merged(
                "dense",
                List.of(replace(info("norm.weight"), norm), replace(info("q_proj.weight"), w)),
                folder);
        export.sharedBase(folder);
        export.shared(
                "sparse",
                List.of(
                        new TensorChange.Scatter(
                                info("norm.weight"), 1, entry -> entry.put(0, norm[0])),
                        new TensorChange.Scatter(
                                info("q_proj.weight"), 1, entry -> entry.put(3, 7))),
                folder);
        assertThat(run(folder.resolve("sparse.onnx"), x))
                .containsExactly(run(folder.resolve("dense.onnx"), x));
    }

    /** Two equal weights, of which only the exporter's note tells which is whose. */
    @ParameterizedTest
    @ValueSource(
            strings = {
                "pkg.onnxscript.optimizer.folded_from",
                "pkg.onnxscript.optimizer.constant_folding.folded_from"
            })
    void notesOfFoldingTellEqualWeightsApart(String key) throws Exception {
        float[] w = tensor("a.weight", IN, IN);
        tensor("b.weight", w, IN, IN);
        var tiny =
                new TinyGraph()
                        .input("x", TinyGraph.FLOAT, "n", IN)
                        .weight("val_1", transpose(w, IN, IN), IN, IN)
                        .weight("val_2", transpose(w, IN, IN), IN, IN)
                        .node("MatMul", "node_1", "y", "x", "val_1")
                        .node("MatMul", "node_2", "z", "y", "val_2")
                        .output("z", "n", IN);
        Path unknown = tiny.write(folder.resolve("unknown.onnx"));
        tiny.graph()
                .addValueInfo(folded("val_1", key, "['a.weight']"))
                .addValueInfo(folded("val_2", key, "['b.weight']"));
        Path noted = tiny.write(folder.resolve("noted.onnx"));
        float[] moved = w.clone();
        moved[7] += 1;
        List<TensorChange> change = List.of(replace(info("b.weight"), moved));
        try (var base = checkpoint();
                var without = OnnxModel.open(unknown);
                var with = OnnxModel.open(noted)) {
            assertThatThrownBy(() -> new ExportGraph(without, base))
                    .isInstanceOf(ConversionException.NothingMatched.class);
            var export = new ExportGraph(with, base);
            assertThat(export.binding().bindings())
                    .allMatch(b -> b.how() == Binding.Evidence.FOLDED_FROM)
                    .extracting(b -> b.initializer() + " " + b.tensor() + " " + b.layout().word())
                    .containsExactly("val_1 a.weight transpose", "val_2 b.weight transpose");
            export.merged("moved", change, folder);
            float[] x = x();
            float[] none = new float[0];
            float[] expected = linear(linear(x, w, none, IN), moved, none, IN);
            assertClose(run(folder.resolve("moved.onnx"), x), expected);
            assertThat(GraphCheckpoint.of(with, List.of()).tensors())
                    .extracting(TensorInfo::name)
                    .containsExactlyInAnyOrder("a.weight", "b.weight");
        }
    }

    private static ValueInfoProto folded(String name, String key, String from) {
        return TinyGraph.value(name, TinyGraph.FLOAT, IN, IN).toBuilder()
                .addMetadataProps(StringStringEntryProto.newBuilder().setKey(key).setValue(from))
                .build();
    }

    private Path twoLayersOneBias(String firstAdd, String secondAdd) throws IOException {
        float[] first = tensor("a.weight", IN, IN);
        float[] second = tensor("b.weight", IN, IN);
        tensor("a.bias", new float[IN], IN);
        tensor("b.bias", new float[IN], IN);
        return new TinyGraph()
                .input("x", TinyGraph.FLOAT, "n", IN)
                .weight("onnx::MatMul_1", transpose(first, IN, IN), IN, IN)
                .weight("onnx::MatMul_2", transpose(second, IN, IN), IN, IN)
                .weight("zeros", new float[IN], IN) // torch keeps equal tensors once
                .node("MatMul", "/a/MatMul", "y", "x", "onnx::MatMul_1")
                .node("Add", firstAdd, "y2", "y", "zeros")
                .node("MatMul", "/b/MatMul", "z", "y2", "onnx::MatMul_2")
                .node("Add", secondAdd, "z2", "z", "zeros")
                .output("z2", "n", IN)
                .write(folder.resolve("shared.onnx"));
    }

    @Test
    void sharedInitializerIsCopiedForTheUseThatChanges() throws Exception {
        Path graph = twoLayersOneBias("/a/Add", "/b/Add");
        try (var model = OnnxModel.open(graph);
                var base = checkpoint()) {
            var export = new ExportGraph(model, base);
            assertThat(export.binding().bindings())
                    .filteredOn(b -> b.initializer().equals("zeros"))
                    .extracting(Binding::tensor)
                    .containsExactly("a.bias", "b.bias");
            float[] bias = {1, 2, 3, 4, 5, 6};
            export.merged("one", List.of(replace(info("b.bias"), bias)), folder);
            float[] x = x();
            float[] y = linear(x, data("a.weight"), new float[0], IN);
            assertClose(run(folder.resolve("one.onnx"), x), linear(y, data("b.weight"), bias, IN));
        }
    }

    @Test
    void sharedInitializerWithoutNamesOfItsUsesIsRefused() throws Exception {
        Path graph = twoLayersOneBias("Add_1", "Add_2");
        try (var model = OnnxModel.open(graph);
                var base = checkpoint()) {
            var export = new ExportGraph(model, base);
            assertThatThrownBy(() ->
                            export.merged(
                                    "one", List.of(replace(info("b.bias"), new float[IN])), folder))
                    .isInstanceOf(ConversionException.BaseMismatch.class)
                    .hasMessageContaining("keeps it together with others");
        }
    }

    /**
     * An embedding that is the head as well; a fine-tune that unties them changes the head alone.
     */
    @Test
    void tiedHeadIsCopiedWhenItAloneChanges() throws Exception {
        float[] table = tensor("wte.weight", 5, IN);
        Path graph =
                new TinyGraph()
                        .input("ids", TinyGraph.INT64, "n")
                        .weight("wte.weight", table, 5, IN)
                        .node("Gather", "/wte/Gather", "h", "wte.weight", "ids")
                        .node("Transpose", "Transpose_1", "t", "wte.weight")
                        .node("MatMul", "/lm_head/MatMul", "logits", "h", "t")
                        .output("logits", "n", 5)
                        .write(folder.resolve("tied.onnx"));
        try (var model = OnnxModel.open(graph);
                var base = checkpoint()) {
            float[] head = table.clone();
            head[0] += 1;
            var info = new TensorInfo("lm_head.weight", DType.F32, Shape.of(5, IN));
            new ExportGraph(model, base).merged("untied", List.of(replace(info, head)), folder);
            float[] expected = new float[3 * 5];
            long[] ids = {0, 4, 2};
            for (int row = 0; row < 3; row++) {
                for (int j = 0; j < 5; j++) {
                    for (int i = 0; i < IN; i++) {
                        expected[row * 5 + j] += table[(int) ids[row] * IN + i] * head[j * IN + i];
                    }
                }
            }
            assertClose(gather(folder.resolve("untied.onnx"), ids), expected);
        }
    }

    private static float[] gather(Path graph, long[] ids) throws Exception {
        try (var run = GraphRun.open(graph, Optional.empty());
                var tensor =
                        OnnxTensor.createTensor(
                                OrtEnvironment.getEnvironment(),
                                LongBuffer.wrap(ids),
                                new long[] {ids.length})) {
            return run.run(Map.of("ids", tensor)).values().iterator().next();
        }
    }

    @Test
    void resizedVocabularyIsFollowedToTheLogits() throws Exception {
        float[] table = tensor("wte.weight", 5, IN);
        float[] head = tensor("lm_head.weight", 5, IN);
        Path graph =
                new TinyGraph()
                        .input("ids", TinyGraph.INT64, "n")
                        .weight("wte.weight", table, 5, IN)
                        .weight("onnx::MatMul_9", transpose(head, 5, IN), IN, 5)
                        .node("Gather", "/wte/Gather", "h", "wte.weight", "ids")
                        .node("MatMul", "/lm_head/MatMul", "logits", "h", "onnx::MatMul_9")
                        .output("logits", "n", 5)
                        .write(folder.resolve("vocabulary.onnx"));
        try (var model = OnnxModel.open(graph);
                var base = checkpoint()) {
            float[] more = new float[7 * IN];
            System.arraycopy(table, 0, more, 0, table.length);
            more[6 * IN] = 2;
            var export = new ExportGraph(model, base);
            List<TensorChange> changes = new ArrayList<>();
            for (String name : List.of("wte.weight", "lm_head.weight")) {
                changes.add(replace(new TensorInfo(name, DType.F32, Shape.of(7, IN)), more));
            }
            export.merged("dense", changes, folder);
            export.sharedBase(folder);
            export.shared("shared", changes, folder);
            for (String name : List.of("dense", "shared")) {
                float[] logits = gather(folder.resolve(name + ".onnx"), new long[] {6});
                assertThat(logits).hasSize(7);
                assertThat(logits[6]).isEqualTo(4);
                try (var written = OnnxModel.open(folder.resolve(name + ".onnx"))) {
                    var shape = written.proto().getGraph().getOutput(0).getType();
                    assertThat(shape.getTensorType().getShape().getDim(1).getDimValue())
                            .isEqualTo(7);
                }
            }
        }
    }

    @Test
    void biasThatTheGraphDoesNotAddIsAdded() throws Exception {
        float[] w = tensor("fc.weight", OUT, IN);
        Path graph =
                new TinyGraph()
                        .input("x", TinyGraph.FLOAT, "n", IN)
                        .weight("onnx::MatMul_1", transpose(w, OUT, IN), IN, OUT)
                        .node("MatMul", "/fc/MatMul", "y", "x", "onnx::MatMul_1")
                        .output("y", "n", OUT)
                        .write(folder.resolve("bias.onnx"));
        try (var model = OnnxModel.open(graph);
                var base = checkpoint()) {
            float[] bias = {1, -2, 3, -4};
            var info = new TensorInfo("fc.bias", DType.F32, Shape.of(OUT));
            new ExportGraph(model, base).merged("biased", List.of(replace(info, bias)), folder);
            float[] x = x();
            assertClose(run(folder.resolve("biased.onnx"), x), linear(x, w, bias, OUT));
        }
    }

    @Test
    void graphOfAnotherCheckpointIsNamedWithTheTensorsThatDiffer() throws Exception {
        float[] w = tensor("a.weight", IN, IN);
        float[] other = tensor("b.weight", IN, IN).clone();
        other[3] += 1e-3f;
        Path graph =
                new TinyGraph()
                        .input("x", TinyGraph.FLOAT, "n", IN)
                        .weight("onnx::MatMul_1", transpose(w, IN, IN), IN, IN)
                        .weight("onnx::MatMul_2", transpose(other, IN, IN), IN, IN)
                        .node("MatMul", "/a/MatMul", "y", "x", "onnx::MatMul_1")
                        .node("MatMul", "/b/MatMul", "z", "y", "onnx::MatMul_2")
                        .output("z", "n", IN)
                        .write(folder.resolve("other.onnx"));
        try (var model = OnnxModel.open(graph);
                var base = checkpoint()) {
            var binding = GraphBinding.bind(model, base);
            assertThat(binding.differing()).extracting(Binding::tensor).containsExactly("b.weight");
            assertThatThrownBy(() -> binding.requireSameBase("other.onnx", "model"))
                    .isInstanceOf(ConversionException.BaseMismatch.class)
                    .hasMessageContaining("1 tensors have other values in it: 'b.weight'");
        }
    }

    @Test
    void quantisedWeightsAreRefused() throws Exception {
        tensor("a.weight", IN, IN);
        Path graph =
                new TinyGraph()
                        .input("x", TinyGraph.FLOAT, "n", IN)
                        .weight("scale", new float[] {1}, 1)
                        .weight("q", new float[IN * IN], IN, IN)
                        .node("DequantizeLinear", "d", "w", "q", "scale")
                        .node("MatMul", "/a/MatMul", "y", "x", "w")
                        .output("y", "n", IN)
                        .write(folder.resolve("quantised.onnx"));
        try (var model = OnnxModel.open(graph);
                var base = checkpoint()) {
            assertThatThrownBy(() -> GraphBinding.bind(model, base))
                    .isInstanceOf(UnsupportedFeatureException.class)
                    .hasMessageContaining("quantised (nodes {DequantizeLinear=1})");
        }
    }

    /** Stored as bfloat16, computed as float32: the same model with rounded weights. */
    @Test
    void halfWidthStorageRoundsWeightsOnce() throws Exception {
        float[] w = tensor("fc.weight", 64, IN);
        Path graph =
                new TinyGraph()
                        .input("x", TinyGraph.FLOAT, "n", IN)
                        .weight("onnx::MatMul_1", transpose(w, 64, IN), IN, 64)
                        .node("MatMul", "/fc/MatMul", "y", "x", "onnx::MatMul_1")
                        .output("y", "n", 64)
                        .write(folder.resolve("plain.onnx"));
        try (var model = OnnxModel.open(graph);
                var base = checkpoint()) {
            float[] x = x();
            for (DType type : List.of(DType.F16, DType.BF16)) {
                var export = new ExportGraph(model, base, Optional.of(type));
                float[] changed = w.clone();
                changed[7] = 3.3333333f;
                Path out = java.nio.file.Files.createDirectory(folder.resolve(type.name()));
                TensorInfo info = info("fc.weight");
                export.merged("dense", List.of(replace(info, changed)), out);
                export.sharedBase(out);
                var one = new TensorChange.Scatter(info, 1, e -> e.put(7, 3.3333333f));
                export.shared("sparse", List.of(one), out);
                float[] rounded = changed.clone();
                for (int i = 0; i < rounded.length; i++) {
                    rounded[i] = Elements.round(type, rounded[i]);
                }
                assertClose(
                        run(out.resolve("dense.onnx"), x), linear(x, rounded, new float[0], 64));
                assertThat(run(out.resolve("sparse.onnx"), x))
                        .containsExactly(run(out.resolve("dense.onnx"), x));
            }
        }
    }
}
