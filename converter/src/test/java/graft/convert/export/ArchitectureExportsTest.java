package graft.convert.export;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;

import graft.formats.checkpoint.Checkpoint;
import graft.formats.onnx.OnnxModel;
import graft.formats.peft.PeftAdapter;
import graft.formats.tensor.DType;

import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.stream.StreamSupport;

/** Exports by three exporters: bound as their makers mapped them, and adapted as peft adapts. */
class ArchitectureExportsTest {
    @TempDir Path out;

    static List<Object[]> exports() throws IOException {
        return ArchitectureFixture.exports();
    }

    static List<Object[]> adapters() throws IOException {
        return ArchitectureFixture.adaptersOfExports();
    }

    @ParameterizedTest(name = "{0} by {1}")
    @MethodSource("exports")
    void bindingIsTheExportersOwnMapping(ArchitectureFixture fixture, String exporter)
            throws Exception {
        JsonNode mapping = fixture.mapping(exporter);
        try (var graph = OnnxModel.open(fixture.graph(exporter).orElseThrow());
                var checkpoint = Checkpoint.open(fixture.folder())) {
            GraphBinding binding = GraphBinding.bind(graph, checkpoint);
            Map<String, String> found = new TreeMap<>();
            binding.bindings()
                    .forEach(b -> found.put(b.initializer(), b.tensor() + " " + b.layout().word()));
            Map<String, String> expected = new TreeMap<>();
            for (var entry : mapping.get("initializers").properties()) {
                if (entry.getValue().has("tensor")) {
                    expected.put(
                            entry.getKey(),
                            entry.getValue().get("tensor").asText()
                                    + " "
                                    + entry.getValue().get("kind").asText());
                }
            }
            assertThat(found).isEqualTo(expected);
            assertThat(binding.bindings()).hasSameSizeAs(expected.keySet());
            assertThat(binding.differing()).isEmpty();
            assertThat(binding.unboundTensors())
                    .containsExactlyInAnyOrderElementsOf(
                            StreamSupport.stream(
                                            mapping.get("checkpoint_tensors_not_found")
                                                    .spliterator(),
                                            false)
                                    .map(JsonNode::asText)
                                    .toList());
        }
    }

    @ParameterizedTest(name = "{0} by {1}, {2}")
    @MethodSource("adapters")
    void adaptedGraphsGivePeftsOutputs(
            ArchitectureFixture fixture, String exporter, String adapterName) throws Exception {
        Path folder = fixture.folder().resolve("lora").resolve(adapterName);
        Path io = folder.resolve("io.safetensors");
        try (var graph = OnnxModel.open(fixture.graph(exporter).orElseThrow());
                var base = Checkpoint.open(fixture.folder());
                var adapter = PeftAdapter.open(folder)) {
            var export = new ExportGraph(graph, base);
            List<TensorChange> changes = ModelChanges.ofAdapter(base, adapter);
            export.merged("merged", changes, out);
            fixture.check(exporter, io, out.resolve("merged.onnx"), Optional.empty());
            export.sharedBase(out);
            ExportReport report = export.shared("shared", changes, out);
            fixture.check(exporter, io, out.resolve("shared.onnx"), Optional.empty());
            assertThat(report.scattered()).isPositive();
            for (DType type : List.of(DType.F32)) {
                var slots = new ExportSlots(export, SlotNames.peft, type);
                slots.prepare(base, List.of(adapter));
                slots.writeGraph(out.resolve("slots.onnx"));
                slots.writeAdapter(base, adapter, out.resolve("task.onnx_adapter"));
            }
            fixture.check(
                    exporter,
                    io,
                    out.resolve("slots.onnx"),
                    Optional.of(out.resolve("task.onnx_adapter")));
            fixture.check(
                    exporter,
                    fixture.folder().resolve("io.safetensors"),
                    out.resolve("slots.onnx"),
                    Optional.empty());
        }
    }
}
