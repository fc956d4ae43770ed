package graft.convert.export;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import graft.convert.ledger.Ledger;
import graft.convert.plan.Progress;
import graft.formats.onnx.OnnxModel;
import graft.formats.safetensors.SafetensorsWriter;
import graft.formats.tensor.DType;
import graft.formats.tensor.Elements;
import graft.formats.tensor.Shape;
import graft.formats.tensor.TensorInfo;

import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

import java.io.IOException;
import java.io.InputStream;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;

/**
 * Sentence embedders as their users download them, exported years ago by other versions of other
 * tools. Their checkpoints are not at hand: the graph's own weights stand in, under the names that
 * the graph's paths give. The first is a dependency of every build; the others join with {@code mvn
 * -Preal-models}.
 */
class RealModelsTest {
    private static final int RANK = 4;

    @TempDir Path folder;

    @ParameterizedTest
    @ValueSource(strings = {"all-minilm-l6-v2", "bge-small-en-v1.5", "e5-small-v2"})
    void everyWeightIsBoundAndAllModesPassTheirGates(String name) throws IOException {
        Path graph = folder.resolve(name + ".onnx");
        try (InputStream in = RealModelsTest.class.getResourceAsStream("/" + name + ".onnx")) {
            assumeTrue(in != null, "skipped: no " + name + " on the class path");
            Files.copy(in, graph);
        }
        List<String> queries;
        try (var model = OnnxModel.open(graph)) {
            var weights = GraphCheckpoint.of(model, List.of());
            var binding = GraphBinding.bind(model, weights);
            assertThat(binding.unboundInitializers()).isEmpty();
            assertThat(binding.unboundTensors()).isEmpty();
            assertThat(binding.bindings())
                    .filteredOn(b -> b.layout().isTransposed())
                    .allMatch(b -> b.initializer().startsWith("onnx::MatMul_"));
            queries =
                    weights.tensors().stream()
                            .map(TensorInfo::name)
                            .filter(n -> n.matches(".*\\.(query|value)\\.weight"))
                            .toList();
            assertThat(queries).hasSize(name.startsWith("all") ? 12 : 24);
            adapter(weights, queries, folder.resolve("lora"));
            fineTune(weights, folder.resolve("tuned.safetensors"));
        }
        Ledger merged = export(graph, "tuned.safetensors", ExportRequest.Mode.merged);
        assertThat(gates(merged)).contains("different");
        Ledger shared = export(graph, "lora", ExportRequest.Mode.shared);
        assertThat(gates(shared)).contains("close").contains("different");
        Ledger slots = export(graph, "lora", ExportRequest.Mode.slots);
        // no head is replaced here, so the empty slots must not change a bit
        assertThat(gates(slots)).contains("same").contains("close").contains("different");
        long adapterBytes = Files.size(folder.resolve("out-slots/lora.onnx_adapter"));
        assertThat(adapterBytes).isLessThan(queries.size() * 384L * 2 * RANK * 4 + 10_000);
    }

    private static String gates(Ledger ledger) {
        return String.valueOf(ledger.results().getFirst().get("gates"));
    }

    private Ledger export(Path graph, String source, ExportRequest.Mode mode) throws IOException {
        return new ExportModels()
                .run(
                        new ExportRequest(
                                List.of(new ExportRequest.Named(folder.resolve(source), source)),
                                Optional.of(graph),
                                Optional.empty(),
                                Optional.empty(),
                                mode,
                                ExportRequest.Form.DEFAULT,
                                Optional.of(Duration.ofMinutes(5)),
                                folder.resolve("out-" + mode),
                                false,
                                Progress.NONE));
    }

    /** Random factors on every query and value, large enough to be seen in the output. */
    private static void adapter(GraphCheckpoint weights, List<String> targets, Path folder)
            throws IOException {
        Files.createDirectory(folder);
        List<TensorInfo> infos = new ArrayList<>();
        for (String target : targets) {
            Shape shape = weights.find(target).orElseThrow().shape();
            String module = "base_model.model." + target.replace(".weight", "");
            infos.add(
                    new TensorInfo(
                            module + ".lora_A.weight", DType.F32, Shape.of(RANK, shape.extent(1))));
            infos.add(
                    new TensorInfo(
                            module + ".lora_B.weight", DType.F32, Shape.of(shape.extent(0), RANK)));
        }
        var random = new Random(7);
        try (var out =
                        SafetensorsWriter.create(
                                folder.resolve("adapter_model.safetensors"), infos, Map.of());
                Arena arena = Arena.ofConfined()) {
            for (TensorInfo info : infos) {
                MemorySegment bytes = Materialised.allocate(info, arena);
                float[] values = new float[(int) info.shape().elements()];
                for (int i = 0; i < values.length; i++) {
                    values[i] = (float) (0.05 * random.nextGaussian());
                }
                Elements.narrow(DType.F32, values, 0, bytes, 0, values.length);
                out.write(info.name(), 0, bytes);
            }
        }
        Files.writeString(
                folder.resolve("adapter_config.json"),
                "{\"peft_type\": \"LORA\", \"r\": %d, \"lora_alpha\": %d, \"target_modules\": [\"query\", \"value\"]}"
                        .formatted(RANK, 2 * RANK));
    }

    /** The model with one layer's weights moved; everything else is the base's. */
    private static void fineTune(GraphCheckpoint weights, Path file) throws IOException {
        try (var out = SafetensorsWriter.create(file, weights.tensors(), Map.of())) {
            for (TensorInfo info : weights.tensors()) {
                try (Arena arena = Arena.ofConfined()) {
                    MemorySegment bytes = Materialised.allocate(info, arena);
                    MemorySegment.copy(weights.bytes(info.name()), 0, bytes, 0, bytes.byteSize());
                    if (info.name().contains("layer.0.")) {
                        float[] one = new float[1];
                        for (long i = 0; i < info.shape().elements(); i += 3) {
                            Elements.widen(info.dtype(), bytes, i, one, 0, 1);
                            one[0] *= 1.1f;
                            Elements.narrow(info.dtype(), one, 0, bytes, i, 1);
                        }
                    }
                    out.write(info.name(), 0, bytes);
                }
            }
        }
    }
}
