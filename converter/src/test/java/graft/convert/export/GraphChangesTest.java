package graft.convert.export;

import static org.assertj.core.api.Assertions.assertThat;

import graft.formats.onnx.OnnxModel;
import graft.formats.tensor.DType;
import graft.formats.tensor.Elements;
import graft.formats.tensor.Shape;
import graft.formats.tensor.TensorInfo;

import org.junit.jupiter.api.Test;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/** Changes that a graph must follow: other extents, another bias, another stored type. */
class GraphChangesTest extends DrawnCheckpoint {
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
