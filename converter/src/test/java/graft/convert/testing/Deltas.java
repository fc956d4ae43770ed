package graft.convert.testing;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;

import graft.formats.safetensors.SafetensorsReader;
import graft.formats.safetensors.SafetensorsWriter;
import graft.formats.tensor.DType;
import graft.formats.tensor.Elements;
import graft.formats.tensor.Shape;
import graft.formats.tensor.TensorInfo;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.ToDoubleFunction;
import java.util.regex.Pattern;

/**
 * ΔW of every module of an adapter as different programs compute it, straight from the two files:
 * Graft's own reader takes no part.
 */
public final class Deltas {
    private static final String PREFIX = "base_model.model.";

    /** What a program makes of one module: its scale. */
    private record Site(String module, JsonNode config, int rank) {}

    private Deltas() {}

    /** peft 0.21: r and α by the first pattern that matches {@code (.*\.)?(KEY)$}. */
    public static Map<String, double[][]> byPeft(Path adapter) throws IOException {
        return all(
                adapter,
                site -> {
                    double alpha =
                            pattern(
                                    site,
                                    "alpha_pattern",
                                    site.config().path("lora_alpha").asDouble());
                    int rank = (int) pattern(site, "rank_pattern", site.config().path("r").asInt());
                    if (rank != site.rank()) {
                        throw new AssertionError("size mismatch for " + site.module());
                    }
                    boolean root = site.config().path("use_rslora").asBoolean();
                    return alpha / (root ? Math.sqrt(rank) : rank);
                });
    }

    /** vLLM's PEFTHelper and its like: one r and one α for all; factors of another rank break. */
    public static Map<String, double[][]> byOneRank(Path adapter) throws IOException {
        return all(
                adapter,
                site -> {
                    int rank = site.config().path("r").asInt();
                    if (rank != site.rank()) {
                        throw new AssertionError("rank %d, r is %d".formatted(site.rank(), rank));
                    }
                    return site.config().path("lora_alpha").asDouble() / rank;
                });
    }

    /**
     * llama.cpp: the converter copies lora_alpha; the runtime divides by each rank, unless it is 0.
     */
    public static Map<String, double[][]> byLlamaCpp(Path adapter) throws IOException {
        return all(
                adapter,
                site -> {
                    double alpha = site.config().path("lora_alpha").asDouble();
                    return alpha == 0 ? 1 : alpha / site.rank();
                });
    }

    /** Tools that look for {@code .alpha} tensors, which a PEFT file has none of: scale 1. */
    public static Map<String, double[][]> byFactorsAlone(Path adapter) throws IOException {
        return all(adapter, _ -> 1.0);
    }

    /**
     * sd-scripts: lora_up · lora_down · alpha / rank, scale 1 without an alpha or for an alpha of
     * 0.
     */
    public static Map<String, double[][]> byKohya(Path weights) throws IOException {
        return pairs(weights, ".lora_down.weight", ".lora_up.weight", "alpha");
    }

    /** diffusers without metadata: lora_B · lora_A as they are. */
    public static Map<String, double[][]> byDiffusers(Path weights) throws IOException {
        return pairs(weights, ".lora_A.weight", ".lora_B.weight", "");
    }

    private static Map<String, double[][]> pairs(Path weights, String ofA, String ofB, String alpha)
            throws IOException {
        Map<String, double[][]> deltas = new TreeMap<>();
        try (var file = SafetensorsReader.open(weights)) {
            for (TensorInfo a : file.tensors()) {
                if (a.name().endsWith(ofA)) {
                    String path = a.name().substring(0, a.name().length() - ofA.length());
                    TensorInfo b = file.find(path + ofB).orElseThrow();
                    int rank = (int) a.shape().extent(0);
                    var own = file.find(path + "." + alpha);
                    float value = own.isPresent() ? floats(file, own.get())[0] : 0;
                    double scale = value == 0 ? 1 : value / rank;
                    int out = (int) b.shape().extent(0);
                    deltas.put(path, product(floats(file, b), floats(file, a), out, rank, scale));
                }
            }
        }
        return deltas;
    }

    private static double pattern(Site site, String field, double otherwise) {
        for (var entry : site.config().path(field).properties()) {
            if (Pattern.compile("(.*\\.)?(" + entry.getKey() + ")$")
                    .matcher(site.module())
                    .lookingAt()) {
                return entry.getValue().asDouble();
            }
        }
        return otherwise;
    }

    private static Map<String, double[][]> all(Path adapter, ToDoubleFunction<Site> scale)
            throws IOException {
        JsonNode config =
                new ObjectMapper().readTree(adapter.resolve("adapter_config.json").toFile());
        Map<String, double[][]> deltas = new TreeMap<>();
        try (var file = SafetensorsReader.open(adapter.resolve("adapter_model.safetensors"))) {
            for (TensorInfo a : file.tensors()) {
                if (!a.name().endsWith(".lora_A.weight")) {
                    continue;
                }
                String path = a.name().substring(0, a.name().length() - ".lora_A.weight".length());
                TensorInfo b = file.find(path + ".lora_B.weight").orElseThrow();
                String module = path.substring(PREFIX.length());
                int rank = (int) a.shape().extent(0);
                double s = scale.applyAsDouble(new Site(module, config, rank));
                deltas.put(
                        module,
                        product(
                                floats(file, b),
                                floats(file, a),
                                (int) b.shape().extent(0),
                                rank,
                                s));
            }
        }
        return deltas;
    }

    private static double[][] product(float[] b, float[] a, int out, int rank, double scale) {
        int in = a.length / rank;
        double[][] delta = new double[out][in];
        for (int i = 0; i < out; i++) {
            for (int l = 0; l < rank; l++) {
                for (int j = 0; j < in; j++) {
                    delta[i][j] += scale * b[i * rank + l] * a[l * in + j];
                }
            }
        }
        return delta;
    }

    private static float[] floats(SafetensorsReader file, TensorInfo info) {
        float[] values = new float[(int) info.shape().elements()];
        Elements.widen(info.dtype(), file.bytes(info.name()), 0, values, 0, values.length);
        return values;
    }

    /** Writes an adapter of B = ΔW and A = the identity, of scale {@code scale}. */
    public static void write(Path folder, Map<String, double[][]> deltas, double scale)
            throws IOException {
        Files.createDirectories(folder);
        List<TensorInfo> tensors = new ArrayList<>();
        Map<String, float[]> contents = new TreeMap<>();
        int rank = 1;
        for (var entry : deltas.entrySet()) {
            double[][] delta = entry.getValue();
            rank = delta[0].length;
            float[] b = new float[delta.length * rank];
            float[] a = new float[rank * rank];
            for (int i = 0; i < delta.length; i++) {
                for (int j = 0; j < rank; j++) {
                    b[i * rank + j] = (float) delta[i][j];
                }
            }
            for (int j = 0; j < rank; j++) {
                a[j * rank + j] = 1;
            }
            String path = PREFIX + entry.getKey();
            tensors.add(new TensorInfo(path + ".lora_A.weight", DType.F32, Shape.of(rank, rank)));
            tensors.add(
                    new TensorInfo(
                            path + ".lora_B.weight", DType.F32, Shape.of(delta.length, rank)));
            contents.put(path + ".lora_A.weight", a);
            contents.put(path + ".lora_B.weight", b);
        }
        Files.writeString(
                folder.resolve("adapter_config.json"),
                "{\"peft_type\": \"LORA\", \"r\": %d, \"lora_alpha\": %s}"
                        .formatted(rank, scale * rank));
        try (var writer =
                SafetensorsWriter.create(
                        folder.resolve("adapter_model.safetensors"), tensors, Map.of())) {
            for (TensorInfo info : tensors) {
                float[] values = contents.get(info.name());
                MemorySegment bytes = MemorySegment.ofArray(new byte[4 * values.length]);
                Elements.narrow(DType.F32, values, 0, bytes, 0, values.length);
                writer.write(info.name(), 0, bytes);
            }
        }
    }

    /** ‖X‖, Frobenius. */
    public static double norm(double[][] matrix) {
        return distance(matrix, new double[matrix.length][matrix[0].length]);
    }

    /** ‖X − Y‖, Frobenius. */
    public static double distance(double[][] left, double[][] right) {
        double sum = 0;
        for (int i = 0; i < left.length; i++) {
            for (int j = 0; j < left[0].length; j++) {
                double difference = left[i][j] - right[i][j];
                sum += difference * difference;
            }
        }
        return Math.sqrt(sum);
    }
}
