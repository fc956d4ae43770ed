package graft.convert.export;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import ai.onnxruntime.OnnxJavaType;
import ai.onnxruntime.OnnxTensor;
import ai.onnxruntime.OrtEnvironment;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;

import graft.formats.safetensors.SafetensorsReader;
import graft.formats.tensor.DType;
import graft.formats.tensor.Elements;
import graft.formats.tensor.TensorInfo;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.nio.LongBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;

/**
 * A tiny model of a family: checkpoint, exports by three exporters, adapters, and the outputs that
 * transformers and peft give. All of them lie outside the repository, a few in testdata.
 */
record ArchitectureFixture(Path folder) {
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final ValueLayout.OfLong I64 =
            ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    static final List<String> EXPORTERS = List.of("dynamo", "torchscript", "optimum");

    /** Every fixture with exports that is at hand. */
    static List<ArchitectureFixture> all() throws IOException {
        Path complete =
                Path.of(System.getProperty("graft.root"))
                        .resolve("../shared/fixtures/architectures")
                        .normalize();
        Path own = Path.of(System.getProperty("graft.testdata"), "architectures");
        try (var folders = Files.walk(Files.isDirectory(complete) ? complete : own, 3)) {
            return folders.filter(f -> f.endsWith("exports"))
                    .sorted()
                    .map(f -> new ArchitectureFixture(f.resolve("..").normalize()))
                    .toList();
        }
    }

    Optional<Path> graph(String exporter) {
        return Optional.of(folder.resolve("exports/" + exporter + ".onnx")).filter(Files::exists);
    }

    JsonNode mapping(String exporter) throws IOException {
        return JSON.readTree(folder.resolve("exports/mapping.json").toFile()).get(exporter);
    }

    List<Path> adapters() throws IOException {
        Path lora = folder.resolve("lora");
        if (!Files.isDirectory(lora)) {
            return List.of();
        }
        try (Stream<Path> folders = Files.list(lora)) {
            return folders.filter(f -> Files.exists(f.resolve("io.safetensors"))).sorted().toList();
        }
    }

    @Override
    public String toString() {
        return folder.subpath(folder.getNameCount() - 2, folder.getNameCount()).toString();
    }

    /** Runs the cases that the exporter's own check ran; compares as the fixture says. */
    void check(String exporter, Path io, Path graph, Optional<Path> adapter) throws Exception {
        JsonNode arch = JSON.readTree(folder.resolve("arch.json").toFile());
        int compared = 0;
        try (var file = SafetensorsReader.open(io);
                var run = GraphRun.open(graph, adapter)) {
            for (JsonNode name : mapping(exporter).get("cases_run")) {
                String one = name.asText();
                if (!arch.path("cases").path(one).path("kind").asText().equals("forward")
                        && !arch.path("cases").path(one).path("kind").asText().equals("prefill")) {
                    continue;
                }
                Map<String, OnnxTensor> feeds = feeds(file, one, run);
                if (feeds.isEmpty()) {
                    continue;
                }
                Map<String, float[]> found = run.run(feeds);
                feeds.values().forEach(OnnxTensor::close);
                for (TensorInfo info : file.tensors()) {
                    String output = info.name().substring(info.name().indexOf('.') + 1);
                    if (info.name().startsWith(one + ".") && found.containsKey(output)) {
                        JsonNode tolerance = arch.path("tolerance").path(output);
                        boolean masked =
                                arch.path("cases")
                                        .path(one)
                                        .path("compare")
                                        .asText()
                                        .equals("attention_mask");
                        compare(file, one, info, found.get(output), tolerance, masked);
                        compared++;
                    }
                }
            }
        }
        assertThat(compared).as("outputs compared").isPositive();
    }

    private static void compare(
            SafetensorsReader file,
            String one,
            TensorInfo info,
            float[] found,
            JsonNode tolerance,
            boolean masked) {
        float[] expected = floats(file, info);
        assertThat(found).hasSameSizeAs(expected);
        long[] mask =
                masked && info.shape().rank() == 3
                        ? file.find(one + ".attention_mask").map(m -> longs(file, m)).orElse(null)
                        : null;
        int width = mask == null ? 0 : expected.length / mask.length;
        double atol = tolerance.path("atol").asDouble(2e-5);
        double rtol = tolerance.path("rtol").asDouble(1e-4);
        for (int i = 0; i < expected.length; i++) {
            if (mask == null || mask[i / width] != 0) {
                assertThat(found[i])
                        .as("%s[%d]", info.name(), i)
                        .isCloseTo(
                                expected[i], within((float) (atol + rtol * Math.abs(expected[i]))));
            }
        }
    }

    private static Map<String, OnnxTensor> feeds(SafetensorsReader file, String one, GraphRun run)
            throws Exception {
        Map<String, OnnxTensor> feeds = new HashMap<>();
        var environment = OrtEnvironment.getEnvironment();
        long batch = 1;
        for (TensorInfo info : file.tensors()) {
            if (info.name().startsWith(one + ".")) {
                batch = info.shape().extent(0);
            }
        }
        for (var input : run.inputs().entrySet()) {
            Optional<TensorInfo> info = file.find(one + "." + input.getKey());
            if (info.isPresent()) {
                long[] dims = info.get().shape().toArray();
                feeds.put(
                        input.getKey(),
                        info.get().dtype() == DType.I64
                                ? OnnxTensor.createTensor(
                                        environment, LongBuffer.wrap(longs(file, info.get())), dims)
                                : OnnxTensor.createTensor(
                                        environment,
                                        FloatBuffer.wrap(floats(file, info.get())),
                                        dims));
            } else if (input.getKey().startsWith("past_key_values")) {
                long[] dims = input.getValue().getShape();
                dims[0] = batch;
                dims[2] = 0;
                feeds.put(
                        input.getKey(),
                        OnnxTensor.createTensor(
                                environment,
                                java.nio.ByteBuffer.allocateDirect(0),
                                dims,
                                OnnxJavaType.FLOAT));
            } else {
                return Map.of();
            }
        }
        return feeds;
    }

    static float[] floats(SafetensorsReader file, TensorInfo info) {
        float[] values = new float[(int) info.shape().elements()];
        Elements.widen(info.dtype(), file.bytes(info.name()), 0, values, 0, values.length);
        return values;
    }

    static long[] longs(SafetensorsReader file, TensorInfo info) {
        long[] values = new long[(int) info.shape().elements()];
        MemorySegment.copy(file.bytes(info.name()), I64, 0, values, 0, values.length);
        return values;
    }

    /** Pairs of fixture and exporter, for parameterised tests. */
    static List<Object[]> exports() throws IOException {
        List<Object[]> pairs = new ArrayList<>();
        for (ArchitectureFixture fixture : all()) {
            for (String exporter : EXPORTERS) {
                if (fixture.graph(exporter).isPresent()) {
                    pairs.add(new Object[] {fixture, exporter});
                }
            }
        }
        return pairs;
    }

    /** Triples of fixture, exporter and adapter. */
    static List<Object[]> adaptersOfExports() throws IOException {
        List<Object[]> triples = new ArrayList<>();
        for (Object[] pair : exports()) {
            for (Path adapter : ((ArchitectureFixture) pair[0]).adapters()) {
                triples.add(new Object[] {pair[0], pair[1], adapter.getFileName().toString()});
            }
        }
        return triples;
    }
}
