package graft.convert.export;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.google.protobuf.ByteString;

import graft.convert.ConversionException;
import graft.convert.ledger.Ledger;
import graft.convert.plan.Progress;
import graft.convert.sparsify.SparsifyModel;
import graft.convert.sparsify.SparsifyOptions;
import graft.convert.sparsify.SparsifyRequest;
import graft.convert.testing.Checkpoints;
import graft.formats.checkpoint.Checkpoint;
import graft.formats.onnx.OnnxModel;
import graft.formats.onnx.proto.NodeProto;
import graft.formats.onnx.proto.TensorProto;
import graft.formats.tensor.DType;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;

/** Graphs whose weights a converter made float16: {@code model_fp16.onnx} of many repositories. */
class HalfGraphTest {
    private static final long[] SHAPE = {2, 3};

    @TempDir Path folder;

    /** As onnxconverter-common's and ONNX Runtime's {@code convert_float_to_float16} do. */
    private static float[] converted(float[] values, float tiny, float large) {
        float[] converted = new float[values.length];
        for (int i = 0; i < values.length; i++) {
            float size = Math.abs(values[i]);
            float kept = size == 0 ? 0 : Math.clamp(size, tiny, large);
            converted[i] = Math.copySign(kept, values[i]);
        }
        return converted;
    }

    private GraphBinding bind(float[] checkpoint, float[] held) throws IOException {
        var bytes = ByteBuffer.allocate(2 * held.length).order(ByteOrder.LITTLE_ENDIAN);
        for (int row = 0; row < 3; row++) { // as MatMul reads it
            for (int column = 0; column < 2; column++) {
                bytes.putShort(Float.floatToFloat16(held[column * 3 + row]));
            }
        }
        Files.deleteIfExists(folder.resolve("model.safetensors"));
        var graph = new TinyGraph().input("x", TinyGraph.FLOAT, "b", 3).output("y", "b", 2);
        graph.graph()
                .addInitializer(
                        TensorProto.newBuilder()
                                .setName("onnx::MatMul_1")
                                .setDataType(TensorProto.DataType.FLOAT16_VALUE)
                                .addDims(3)
                                .addDims(2)
                                .setRawData(ByteString.copyFrom(bytes.flip())));
        graph.node("MatMul", "/fc/MatMul", "y", "x", "onnx::MatMul_1");
        Path file = folder.resolve("model.safetensors");
        Checkpoints.write(
                file,
                DType.F32,
                Map.of("fc.weight", checkpoint, "other", new float[] {1}),
                Map.of("fc.weight", SHAPE, "other", new long[] {1}));
        graph.weight("other", new float[] {1}, 1).node("Identity", "/other", "z", "other");
        try (var model = OnnxModel.open(graph.write(folder.resolve("graph.onnx")));
                var base = Checkpoint.open(file)) {
            return GraphBinding.bind(model, base);
        }
    }

    @Test
    void valuesThatAConverterClampedAreTheCheckpointsStill() throws IOException {
        float[] values = {0.5f, 3e-8f, -2e-9f, 70000, -12000, 0};
        for (float[] bounds : new float[][] {{1e-7f, 1e4f}, {5.96e-8f, 65504}}) {
            GraphBinding binding = bind(values, converted(values, bounds[0], bounds[1]));
            assertThat(binding.of("fc.weight"))
                    .singleElement()
                    .satisfies(bound -> {
                        assertThat(bound.layout()).isEqualTo(Layout.TRANSPOSE);
                        assertThat(bound.how()).isEqualTo(Binding.Evidence.VALUES);
                    });
        }
    }

    @Test
    void slotBesideAProductInFloat16IsRefused() throws IOException {
        float[] values = {0.5f, 1, -2, 3, 4, 5};
        bind(values, values); // leaves graph and checkpoint
        Path adapter = Files.createDirectory(folder.resolve("adapter"));
        Files.writeString(
                adapter.resolve("adapter_config.json"),
                "{\"peft_type\": \"LORA\", \"r\": 1, \"lora_alpha\": 1, \"target_modules\": \".*\"}");
        String module = "base_model.model.fc.lora_";
        Checkpoints.write(
                adapter.resolve("adapter_model.safetensors"),
                DType.F32,
                Map.of(module + "A.weight", new float[3], module + "B.weight", new float[2]),
                Map.of(
                        module + "A.weight",
                        new long[] {1, 3},
                        module + "B.weight",
                        new long[] {2, 1}));
        Path checkpoint = folder.resolve("model.safetensors");
        assertThatThrownBy(() ->
                        new ExportModels()
                                .run(
                                        new ExportRequest(
                                                List.of(new ExportRequest.Named(adapter, "a")),
                                                Optional.of(folder.resolve("graph.onnx")),
                                                Optional.empty(),
                                                Optional.of(
                                                        new ExportRequest.Named(
                                                                checkpoint, "base")),
                                                ExportRequest.Mode.slots,
                                                ExportRequest.Form.DEFAULT,
                                                Optional.empty(),
                                                folder.resolve("out"),
                                                false,
                                                Progress.NONE)))
                .isInstanceOf(ConversionException.BaseMismatch.class)
                .hasMessageContaining("in another type than float32");
    }

    /** The bias is too small to gain by it, but whole inputs of float16 may crash ONNX Runtime. */
    @Test
    void sparseDeltaIsScatteredInFloat16WhateverTheTensorsSize() throws IOException {
        float[] weight = random(1, 64 * 64, 0.5f);
        float[] bias = random(2, 64, 0.5f);
        writeLayer(weight, bias);
        Path base = checkpoint("base", Map.of("fc.weight", weight, "fc.bias", bias));
        Path tuned =
                checkpoint(
                        "tuned", Map.of("fc.weight", moved(weight, 3), "fc.bias", moved(bias, 4)));
        Ledger ledger = exportSparse(base, sparsify(base, tuned));
        assertThat(ledger.results())
                .singleElement()
                .satisfies(result ->
                        assertThat(result)
                                .containsEntry("scattered", 2)
                                .containsEntry("replaced", 0)
                                .containsKey("verified"));
    }

    @Test
    void wholeTensorInFloat16IsRefused() throws IOException {
        float[] weight = random(1, 64 * 64, 0.5f);
        float[] bias = random(2, 64, 0.5f);
        writeLayer(weight, bias);
        Path base = checkpoint("base", Map.of("fc.weight", weight));
        Path tuned = checkpoint("tuned", Map.of("fc.weight", moved(weight, 3), "fc.bias", bias));
        Path delta = sparsify(base, tuned);
        assertThatThrownBy(() -> exportSparse(base, delta))
                .isInstanceOf(ConversionException.BaseMismatch.class)
                .hasMessageContaining("no slot of float16 for 'fc.bias'");
        assertThat(folder.resolve("out")).doesNotExist();
    }

    /** Values that float16 has. */
    private static float[] random(int seed, int count, float scale) {
        var random = new Random(seed);
        float[] values = new float[count];
        for (int i = 0; i < count; i++) {
            float value = scale * (float) random.nextGaussian();
            values[i] = Float.float16ToFloat(Float.floatToFloat16(value));
        }
        return values;
    }

    private static float[] moved(float[] values, int seed) {
        float[] moved = random(seed, values.length, 0.05f);
        for (int i = 0; i < moved.length; i++) {
            moved[i] += values[i];
        }
        return moved;
    }

    /** A linear layer in float16 between casts, as a converter leaves it. */
    private void writeLayer(float[] weight, float[] bias) throws IOException {
        var graph = new TinyGraph().input("x", TinyGraph.FLOAT, "b", 64).output("y", "b", 64);
        float[] turned = new float[weight.length];
        for (int i = 0; i < turned.length; i++) {
            turned[i] = weight[i % 64 * 64 + i / 64];
        }
        graph.graph().addInitializer(half("onnx::MatMul_1", turned, 64, 64));
        graph.graph().addInitializer(half("fc.bias", bias, 64));
        graph.graph().addNode(cast("/in", "x", "x16", TensorProto.DataType.FLOAT16_VALUE));
        graph.node("MatMul", "/fc/MatMul", "xw", "x16", "onnx::MatMul_1")
                .node("Add", "/fc/Add", "y16", "fc.bias", "xw");
        graph.graph().addNode(cast("/out", "y16", "y", TinyGraph.FLOAT));
        graph.write(folder.resolve("half.onnx"));
    }

    private static NodeProto.Builder cast(String name, String from, String to, int type) {
        return GraphEditor.node("Cast", name, to, from)
                .addAttribute(GraphEditor.integer("to", type));
    }

    private static TensorProto half(String name, float[] values, long... dims) {
        var bytes = ByteBuffer.allocate(2 * values.length).order(ByteOrder.LITTLE_ENDIAN);
        for (float value : values) {
            bytes.putShort(Float.floatToFloat16(value));
        }
        var tensor =
                TensorProto.newBuilder()
                        .setName(name)
                        .setDataType(TensorProto.DataType.FLOAT16_VALUE)
                        .setRawData(ByteString.copyFrom(bytes.flip()));
        for (long dim : dims) {
            tensor.addDims(dim);
        }
        return tensor.build();
    }

    private Path checkpoint(String name, Map<String, float[]> tensors) throws IOException {
        Map<String, long[]> shapes = new HashMap<>();
        tensors.forEach((tensor, values) ->
                shapes.put(tensor, values.length == 64 ? new long[] {64} : new long[] {64, 64}));
        Path model = Files.createDirectory(folder.resolve(name));
        Checkpoints.write(model.resolve("model.safetensors"), DType.F32, tensors, shapes);
        return model;
    }

    private Path sparsify(Path base, Path tuned) throws IOException {
        Path out = folder.resolve("delta");
        new SparsifyModel()
                .run(
                        new SparsifyRequest(
                                tuned,
                                "tuned",
                                base,
                                "base",
                                SparsifyOptions.paper(0.3),
                                out,
                                false,
                                false,
                                1,
                                Progress.NONE));
        return out;
    }

    private Ledger exportSparse(Path base, Path delta) throws IOException {
        return new ExportModels()
                .run(
                        new ExportRequest(
                                List.of(new ExportRequest.Named(delta, "delta")),
                                Optional.of(folder.resolve("half.onnx")),
                                Optional.empty(),
                                Optional.of(new ExportRequest.Named(base, "base")),
                                ExportRequest.Mode.sparseSlots,
                                ExportRequest.Form.DEFAULT,
                                Optional.of(Duration.ofMinutes(5)),
                                folder.resolve("out"),
                                false,
                                Progress.NONE));
    }

    @Test
    void otherValuesAreNot() throws IOException {
        float[] values = {0.5f, 3e-8f, -2e-9f, 70000, -12000, 0};
        for (int i = 0; i < values.length; i++) {
            float[] held = converted(values, 1e-7f, 1e4f);
            held[i] = i == 5 ? 1e-7f : -held[i];
            assertThat(bind(values, held).of("fc.weight")).isEmpty();
        }
    }
}
