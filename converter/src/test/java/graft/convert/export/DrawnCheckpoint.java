package graft.convert.export;

import static org.assertj.core.api.Assertions.assertThat;

import ai.onnxruntime.OnnxTensor;
import ai.onnxruntime.OrtEnvironment;

import graft.formats.safetensors.SafetensorsReader;
import graft.formats.safetensors.SafetensorsWriter;
import graft.formats.tensor.DType;
import graft.formats.tensor.Elements;
import graft.formats.tensor.Shape;
import graft.formats.tensor.TensorInfo;

import org.junit.jupiter.api.io.TempDir;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.FloatBuffer;
import java.nio.LongBuffer;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Random;

/**
 * A checkpoint of drawn values for graphs that a test builds of them, and what layers compute in
 * float64.
 */
abstract class DrawnCheckpoint {
    static final int IN = 6;
    static final int OUT = 4;

    @TempDir Path folder;

    final Random random = new Random(3);
    final Map<String, TensorInfo> infos = new LinkedHashMap<>();
    final Map<String, float[]> values = new LinkedHashMap<>();

    float[] tensor(String name, long... dims) {
        float[] drawn = new float[(int) Shape.of(dims).elements()];
        for (int i = 0; i < drawn.length; i++) {
            drawn[i] = (float) random.nextGaussian();
        }
        return tensor(name, drawn, dims);
    }

    float[] tensor(String name, float[] data, long... dims) {
        infos.put(name, new TensorInfo(name, DType.F32, Shape.of(dims)));
        values.put(name, data);
        return data;
    }

    float[] data(String name) {
        return Objects.requireNonNull(values.get(name));
    }

    TensorInfo info(String name) {
        return Objects.requireNonNull(infos.get(name));
    }

    SafetensorsReader checkpoint() throws IOException {
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

    static float[] transpose(float[] data, int rows, int columns) {
        float[] turned = new float[data.length];
        for (int i = 0; i < rows; i++) {
            for (int j = 0; j < columns; j++) {
                turned[j * rows + i] = data[i * columns + j];
            }
        }
        return turned;
    }

    static TensorChange replace(TensorInfo info, float[] data) {
        return new TensorChange.Replace(
                info, (first, into, count) -> System.arraycopy(data, (int) first, into, 0, count));
    }

    static float[] run(Path graph, float[] x) throws Exception {
        try (var run = GraphRun.open(graph, Optional.empty());
                var tensor =
                        OnnxTensor.createTensor(
                                OrtEnvironment.getEnvironment(),
                                FloatBuffer.wrap(x),
                                new long[] {x.length / IN, IN})) {
            return run.run(Map.of("x", tensor)).values().iterator().next();
        }
    }

    static float[] gather(Path graph, long[] ids) throws Exception {
        try (var run = GraphRun.open(graph, Optional.empty());
                var tensor =
                        OnnxTensor.createTensor(
                                OrtEnvironment.getEnvironment(),
                                LongBuffer.wrap(ids),
                                new long[] {ids.length})) {
            return run.run(Map.of("ids", tensor)).values().iterator().next();
        }
    }

    float[] x() {
        float[] x = new float[2 * IN];
        for (int i = 0; i < x.length; i++) {
            x[i] = (float) random.nextGaussian();
        }
        return x;
    }

    /** x · Wᵀ + b in float64. */
    static float[] linear(float[] x, float[] w, float[] b, int out) {
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

    static void assertClose(float[] found, float[] expected) {
        assertThat(found).hasSameSizeAs(expected);
        for (int i = 0; i < expected.length; i++) {
            assertThat(found[i])
                    .isCloseTo(expected[i], org.assertj.core.api.Assertions.within(1e-5f));
        }
    }
}
