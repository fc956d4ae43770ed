package graft.convert.export;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import graft.convert.ConversionException;
import graft.formats.UnsupportedFeatureException;
import graft.formats.onnx.OnnxModel;
import graft.formats.onnx.proto.StringStringEntryProto;
import graft.formats.onnx.proto.ValueInfoProto;
import graft.formats.safetensors.SafetensorsReader;
import graft.formats.tensor.TensorInfo;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

import java.nio.file.Path;
import java.util.List;

/** What exporters other than today's do to weights: packing, scaling, leaving out. */
class GraphBindingTest extends DrawnCheckpoint {
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
}
