package graft.convert.export;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import graft.convert.ConversionException;
import graft.formats.onnx.OnnxModel;
import graft.formats.tensor.DType;
import graft.formats.tensor.Shape;
import graft.formats.tensor.TensorInfo;

import org.junit.jupiter.api.Test;

import java.io.IOException;
import java.nio.file.Path;
import java.util.List;

/** Initializers that stand for several tensors, of which one changes. */
class SharedInitializerTest extends DrawnCheckpoint {
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
}
