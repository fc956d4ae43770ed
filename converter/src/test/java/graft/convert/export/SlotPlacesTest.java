package graft.convert.export;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import ai.onnxruntime.OnnxTensor;
import ai.onnxruntime.OrtEnvironment;

import graft.convert.ConversionException;
import graft.convert.plan.Progress;
import graft.convert.testing.Checkpoints;
import graft.formats.onnx.proto.AttributeProto;
import graft.formats.onnx.proto.OperatorSetIdProto;
import graft.formats.tensor.DType;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

import java.io.IOException;
import java.nio.FloatBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Random;

/** Slots on weights that are no plain right factor of a product: packed, scaled, kernels. */
class SlotPlacesTest {
    private static final int IN = 6;
    private static final int OUT = 4;
    private static final int HIDDEN = 8;
    private static final double SCALE = 2; // alpha 4, rank 2

    @TempDir Path folder;

    private final Random random = new Random(9);
    private final Map<String, float[]> base = new HashMap<>();
    private final Map<String, long[]> baseShapes = new HashMap<>();
    private final Map<String, float[]> factors = new HashMap<>();
    private final Map<String, long[]> factorShapes = new HashMap<>();

    private float[] random(int count) {
        float[] values = new float[count];
        for (int i = 0; i < count; i++) {
            values[i] = (float) (0.3 * random.nextGaussian());
        }
        return values;
    }

    private float[] weight(String name, long... shape) {
        int count = 1;
        for (long extent : shape) {
            count *= (int) extent;
        }
        float[] values = random(count);
        base.put(name, values);
        baseShapes.put(name, shape);
        return values;
    }

    /** Factors of rank 2 for a module; A has the shape of the weight but for its first extent. */
    private void adapt(String module) {
        long[] shape = Objects.requireNonNull(baseShapes.get(module + ".weight")).clone();
        int in = 1;
        for (int axis = 1; axis < shape.length; axis++) {
            in *= (int) shape[axis];
        }
        long[] ofB = new long[shape.length];
        java.util.Arrays.fill(ofB, 1);
        ofB[0] = shape[0];
        ofB[1] = 2;
        shape[0] = 2;
        String path = "base_model.model." + module;
        factors.put(path + ".lora_A.weight", random(2 * in));
        factorShapes.put(path + ".lora_A.weight", shape);
        factors.put(path + ".lora_B.weight", random(2 * (int) ofB[0]));
        factorShapes.put(path + ".lora_B.weight", ofB);
    }

    private float[] factor(String module, String which) {
        return Objects.requireNonNull(
                factors.get("base_model.model.%s.lora_%s.weight".formatted(module, which)));
    }

    private static float[] turned(float[] data, int rows, int columns) {
        float[] turned = new float[data.length];
        for (int i = 0; i < rows; i++) {
            for (int j = 0; j < columns; j++) {
                turned[j * rows + i] = data[i * columns + j];
            }
        }
        return turned;
    }

    /** Exports with gates: empty slots as the base, filled ones as the merged model. */
    private Path export(Path graph, SlotNames profile, DType type) throws IOException {
        Path checkpoint = Files.createDirectory(folder.resolve("base"));
        Checkpoints.write(checkpoint.resolve("model.safetensors"), DType.F32, base, baseShapes);
        Path adapter = Files.createDirectory(folder.resolve("adapter"));
        Checkpoints.write(
                adapter.resolve("adapter_model.safetensors"), DType.F32, factors, factorShapes);
        Files.writeString(
                adapter.resolve("adapter_config.json"),
                "{\"peft_type\": \"LORA\", \"r\": 2, \"lora_alpha\": 4, \"target_modules\": \".*\"}");
        Path out = folder.resolve("out");
        new ExportModels()
                .run(
                        new ExportRequest(
                                List.of(new ExportRequest.Named(adapter, "adapter")),
                                Optional.of(graph),
                                Optional.empty(),
                                Optional.of(new ExportRequest.Named(checkpoint, "base")),
                                ExportRequest.Mode.slots,
                                new ExportRequest.Form(Optional.empty(), profile, type, false),
                                Optional.of(Duration.ofMinutes(5)),
                                out,
                                false,
                                Progress.NONE));
        return out;
    }

    private static float[] runAdapted(Path out, float[] x, long... shape) throws Exception {
        var adapter = Optional.of(out.resolve("adapter.onnx_adapter"));
        return run(out.resolve("slots.onnx"), adapter, x, shape);
    }

    private static float[] run(Path graph, Optional<Path> adapter, float[] x, long... shape)
            throws Exception {
        try (var run = GraphRun.open(graph, adapter);
                var tensor =
                        OnnxTensor.createTensor(
                                OrtEnvironment.getEnvironment(), FloatBuffer.wrap(x), shape)) {
            return run.run(Map.of("x", tensor)).values().iterator().next();
        }
    }

    private float[] packed(String... modules) {
        float[] packed = new float[IN * OUT * modules.length];
        for (int part = 0; part < modules.length; part++) {
            float[] w = weight(modules[part] + ".weight", OUT, IN);
            for (int j = 0; j < OUT; j++) {
                for (int i = 0; i < IN; i++) {
                    packed[i * modules.length * OUT + part * OUT + j] = w[j * IN + i];
                }
            }
        }
        return packed;
    }

    /** x·(W + s·B·A)ᵀ in float64, of all parts side by side. */
    private float[] expected(float[] x, List<String> modules, List<String> adapted) {
        int rows = x.length / IN;
        float[] y = new float[rows * OUT * modules.size()];
        for (int part = 0; part < modules.size(); part++) {
            String module = modules.get(part);
            float[] w = Objects.requireNonNull(base.get(module + ".weight"));
            for (int row = 0; row < rows; row++) {
                for (int j = 0; j < OUT; j++) {
                    double sum = 0;
                    for (int i = 0; i < IN; i++) {
                        double weight = w[j * IN + i];
                        for (int l = 0; l < 2 && adapted.contains(module); l++) {
                            weight +=
                                    SCALE
                                            * factor(module, "B")[j * 2 + l]
                                            * factor(module, "A")[l * IN + i];
                        }
                        sum += weight * x[row * IN + i];
                    }
                    y[(row * modules.size() + part) * OUT + j] = (float) sum;
                }
            }
        }
        return y;
    }

    @ParameterizedTest
    @EnumSource(SlotNames.class)
    void partsOfAPackedFactorHaveSlotsOfTheirOwn(SlotNames profile) throws Exception {
        List<String> modules = List.of("attn.q_proj", "attn.k_proj", "attn.v_proj");
        Path graph =
                new TinyGraph()
                        .input("x", TinyGraph.FLOAT, "batch", IN)
                        .weight("packed", packed(modules.toArray(String[]::new)), IN, 3 * OUT)
                        .node("MatMul", "/attn/qkv_proj/MatMul", "y", "x", "packed")
                        .output("y", "batch", 3 * OUT)
                        .write(folder.resolve("packed.onnx"));
        adapt("attn.q_proj");
        adapt("attn.v_proj");
        Path out = export(graph, profile, DType.F32);
        float[] x = random(2 * IN);
        float[] found = runAdapted(out, x, 2, IN);
        assertThat(found)
                .containsExactly(
                        expected(x, modules, List.of("attn.q_proj", "attn.v_proj")), within(1e-5f));
        assertThat(run(out.resolve("slots.onnx"), Optional.empty(), x, 2, IN))
                .containsExactly(run(graph, Optional.empty(), x, 2, IN));
    }

    @Test
    void partsOfAPackedGemmHaveSlotsOfTheirOwn() throws Exception {
        List<String> modules = List.of("mlp.gate_proj", "mlp.up_proj");
        float[] packed = turned(packed(modules.toArray(String[]::new)), IN, 2 * OUT);
        var tiny =
                new TinyGraph()
                        .input("x", TinyGraph.FLOAT, "batch", IN)
                        .weight("packed", packed, 2 * OUT, IN)
                        .node("Gemm", "/mlp/gate_up/Gemm", "y", "x", "packed")
                        .output("y", "batch", 2 * OUT);
        tiny.graph().getNodeBuilder(0).addAttribute(GraphEditor.integer("transB", 1));
        Path graph = tiny.write(folder.resolve("gemm.onnx"));
        adapt("mlp.up_proj");
        Path out = export(graph, SlotNames.peft, DType.BF16);
        float[] x = random(3 * IN);
        float[] found = runAdapted(out, x, 3, IN);
        assertThat(found)
                .containsExactly(expected(x, modules, List.of("mlp.up_proj")), within(1e-2f));
    }

    @Test
    void scaleThatTheGraphMultipliedInHoldsForTheAdapterToo() throws Exception {
        float[] scaled = turned(weight("q_proj.weight", OUT, IN), OUT, IN);
        float scale = (float) (1 / Math.sqrt(24));
        for (int i = 0; i < scaled.length; i++) {
            scaled[i] *= scale;
        }
        Path graph =
                new TinyGraph()
                        .input("x", TinyGraph.FLOAT, "batch", IN)
                        .weight("onnx::MatMul_1", scaled, IN, OUT)
                        .node("MatMul", "/q_proj/MatMul", "y", "x", "onnx::MatMul_1")
                        .output("y", "batch", OUT)
                        .write(folder.resolve("scaled.onnx"));
        adapt("q_proj");
        Path out = export(graph, SlotNames.peft, DType.F32);
        float[] x = random(2 * IN);
        float[] expected = expected(x, List.of("q_proj"), List.of("q_proj"));
        for (int i = 0; i < expected.length; i++) {
            expected[i] *= scale;
        }
        Optional<Path> adapter = Optional.of(out.resolve("adapter.onnx_adapter"));
        assertThat(run(out.resolve("slots.onnx"), adapter, x, 2, IN))
                .containsExactly(expected, within(1e-5f));
    }

    /** As peft computes it: a convolution with A, one of extent 1 with B, added to the base's. */
    @Test
    void kernelsOfConvolutionsHaveSlots() throws Exception {
        int channels = 3;
        int size = 6;
        int extent = 3;
        float[] kernel = weight("patch.projection.weight", OUT, channels, extent, extent);
        var tiny =
                new TinyGraph()
                        .input("x", TinyGraph.FLOAT, "batch", channels, size, size)
                        .weight("patch.projection.weight", kernel, OUT, channels, extent, extent)
                        .node("Conv", "/patch/projection/Conv", "y", "x", "patch.projection.weight")
                        .output("y", "batch", OUT, size, size);
        tiny.graph()
                .getNodeBuilder(0)
                .addAttribute(
                        AttributeProto.newBuilder()
                                .setName("pads")
                                .setType(AttributeProto.AttributeType.INTS)
                                .addAllInts(List.of(1L, 1L, 1L, 1L)));
        Path graph = tiny.write(folder.resolve("conv.onnx"));
        adapt("patch.projection");
        Path out = export(graph, SlotNames.peft, DType.F32);
        float[] x = random(2 * channels * size * size);
        float[] found =
                run(
                        out.resolve("slots.onnx"),
                        Optional.of(out.resolve("adapter.onnx_adapter")),
                        x,
                        2,
                        channels,
                        size,
                        size);
        float[] whole = convolution(x, kernel, OUT, channels, size);
        float[] a = convolution(x, factor("patch.projection", "A"), 2, channels, size);
        float[] b = factor("patch.projection", "B");
        int area = size * size;
        for (int i = 0; i < whole.length; i++) {
            int sample = i / (OUT * area);
            int written = i / area % OUT;
            for (int l = 0; l < 2; l++) {
                whole[i] +=
                        (float)
                                (SCALE
                                        * b[written * 2 + l]
                                        * a[(sample * 2 + l) * area + i % area]);
            }
        }
        assertThat(found).containsExactly(whole, within(1e-5f));
        assertThat(run(out.resolve("slots.onnx"), Optional.empty(), x, 2, channels, size, size))
                .containsExactly(
                        run(graph, Optional.empty(), x, 2, channels, size, size), within(1e-6f));
    }

    /** 3×3, one pixel of zeros around, in float64. */
    private static float[] convolution(float[] x, float[] kernel, int out, int channels, int size) {
        int area = size * size;
        int samples = x.length / (channels * area);
        float[] y = new float[samples * out * area];
        for (int i = 0; i < y.length; i++) {
            int sample = i / (out * area);
            int row = i % area / size;
            int column = i % size;
            double sum = 0;
            for (int k = 0; k < channels * 9; k++) {
                int r = row + k / 3 % 3 - 1;
                int c = column + k % 3 - 1;
                if (r >= 0 && r < size && c >= 0 && c < size) {
                    double pixel = x[((sample * channels + k / 9) * size + r) * size + c];
                    sum += pixel * kernel[i / area % out * channels * 9 + k];
                }
            }
            y[i] = (float) sum;
        }
        return y;
    }

    /** ONNX Runtime's own attention reads query, key and value from one matrix. */
    @Test
    void packedWeightOfFusedAttentionHasSlots() throws Exception {
        List<String> modules = List.of("attn.query", "attn.key", "attn.value");
        float[] packed = new float[HIDDEN * 3 * HIDDEN];
        for (int part = 0; part < 3; part++) {
            float[] w = weight(modules.get(part) + ".weight", HIDDEN, HIDDEN);
            for (int j = 0; j < HIDDEN; j++) {
                for (int i = 0; i < HIDDEN; i++) {
                    packed[i * 3 * HIDDEN + part * HIDDEN + j] = w[j * HIDDEN + i];
                }
            }
        }
        var tiny =
                new TinyGraph()
                        .input("x", TinyGraph.FLOAT, "batch", "sequence", HIDDEN)
                        .weight("packed", packed, HIDDEN, 3 * HIDDEN)
                        .weight("zeros", new float[3 * HIDDEN], 3 * HIDDEN)
                        .node("Attention", "/attn/Attention", "y", "x", "packed", "zeros")
                        .output("y", "batch", "sequence", HIDDEN);
        tiny.graph()
                .getNodeBuilder(0)
                .setDomain("com.microsoft")
                .addAttribute(GraphEditor.integer("num_heads", 2));
        tiny.model()
                .addOpsetImport(
                        OperatorSetIdProto.newBuilder().setDomain("com.microsoft").setVersion(1));
        Path graph = tiny.write(folder.resolve("attention.onnx"));
        adapt("attn.query");
        adapt("attn.value");
        Path out = export(graph, SlotNames.olive, DType.F32);
        float[] x = random(2 * 5 * HIDDEN);
        Optional<Path> adapter = Optional.of(out.resolve("adapter.onnx_adapter"));
        float[] adapted = run(out.resolve("slots.onnx"), adapter, x, 2, 5, HIDDEN);
        float[] plain = run(out.resolve("slots.onnx"), Optional.empty(), x, 2, 5, HIDDEN);
        assertThat(plain)
                .containsExactly(run(graph, Optional.empty(), x, 2, 5, HIDDEN), within(1e-6f));
        assertThat(adapted).isNotEqualTo(plain); // the gate compared it with the merged graph
    }

    @Test
    void weightsSideBySideAlongWhatIsReadAreRefused() throws Exception {
        float[] left = weight("a.weight", OUT, IN);
        float[] right = weight("b.weight", OUT, IN);
        float[] stacked = new float[2 * IN * OUT];
        System.arraycopy(turned(left, OUT, IN), 0, stacked, 0, IN * OUT);
        System.arraycopy(turned(right, OUT, IN), 0, stacked, IN * OUT, IN * OUT);
        Path graph =
                new TinyGraph()
                        .input("x", TinyGraph.FLOAT, "batch", 2 * IN)
                        .weight("stacked", stacked, 2 * IN, OUT)
                        .node("MatMul", "/ab/MatMul", "y", "x", "stacked")
                        .output("y", "batch", OUT)
                        .write(folder.resolve("stacked.onnx"));
        adapt("b");
        assertThatThrownBy(() -> export(graph, SlotNames.peft, DType.F32))
                .isInstanceOf(ConversionException.BaseMismatch.class)
                .hasMessageContaining("no slot for module 'b'");
        assertThat(folder.resolve("out")).doesNotExist();
    }
}
