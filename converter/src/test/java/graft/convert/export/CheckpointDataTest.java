package graft.convert.export;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import ai.onnxruntime.OnnxTensor;
import ai.onnxruntime.OrtEnvironment;

import graft.convert.ConversionException;
import graft.convert.ledger.Ledger;
import graft.convert.plan.Progress;
import graft.convert.sparsify.SparsifyModel;
import graft.convert.sparsify.SparsifyOptions;
import graft.convert.sparsify.SparsifyRequest;
import graft.convert.testing.Checkpoints;
import graft.convert.testing.Python;
import graft.formats.checkpoint.Checkpoint;
import graft.formats.checkpoint.CheckpointWriter;
import graft.formats.onnx.ExternalFile;
import graft.formats.onnx.OnnxModel;
import graft.formats.safetensors.SafetensorsReader;
import graft.formats.tensor.DType;
import graft.formats.tensor.TensorInfo;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;

/** Graphs whose weights lie in safetensors files. */
class CheckpointDataTest {
    private static final Path FAMILY =
            Path.of(System.getProperty("graft.testdata"), "families/mini");

    /** The head that the graph was exported with is in no base. */
    private static final long HEAD_BYTES = 4 * 10 * 96;

    @TempDir Path folder;

    private ExportRequest request(
            List<String> sources, Path base, ExportRequest.Mode mode, String exporter) {
        return new ExportRequest(
                sources.stream()
                        .map(source -> new ExportRequest.Named(path(source), source))
                        .toList(),
                Optional.of(FAMILY.resolve("onnx/theta0-nounsense-" + exporter + ".onnx")),
                Optional.empty(),
                Optional.of(new ExportRequest.Named(base, "base")),
                mode,
                new ExportRequest.Form(Optional.empty(), SlotNames.peft, DType.F32, true),
                Optional.of(Duration.ofMinutes(5)),
                folder.resolve("out"),
                false,
                Progress.NONE);
    }

    private Path path(String source) {
        Path own = folder.resolve(source);
        return Files.exists(own) ? own : FAMILY.resolve(source);
    }

    private void sparsify(Path base) throws IOException {
        new SparsifyModel()
                .run(
                        new SparsifyRequest(
                                FAMILY.resolve("fft-pos"),
                                "pos",
                                base,
                                "base",
                                SparsifyOptions.paper(0.05),
                                folder.resolve("delta"),
                                false,
                                false,
                                1,
                                Progress.NONE));
    }

    /** The base is half the size: float16 as in the checkpoint, not float32 as in the graph. */
    @ParameterizedTest
    @ValueSource(strings = {"torchscript", "dynamo"})
    void deltasAdaptersAndFineTunesOverTheCheckpointsOwnFile(String exporter) throws IOException {
        Path base = FAMILY.resolve("base");
        sparsify(base);
        Ledger ledger =
                new ExportModels()
                        .run(
                                request(
                                        List.of("delta", "lora-spam", "fft-spam"),
                                        base,
                                        ExportRequest.Mode.shared,
                                        exporter));
        assertThat(ledger.results())
                .extracting(result -> String.valueOf(result.get("verified")))
                .satisfiesExactly(
                        delta -> assertThat(delta).contains("bit for bit"),
                        lora -> assertThat(lora).contains("equals the dense model"),
                        whole -> assertThat(whole).contains("bit for bit"));
        assertThat(ledger.options()).containsEntry("data", "safetensors");
        Path file = folder.resolve("out/model.safetensors");
        assertThat(file).hasSameBinaryContentAs(base.resolve("model.safetensors"));
        assertThat(folder.resolve("out/base.onnx.data")).hasSize(HEAD_BYTES);
        assertThat(OnnxModel.locations(folder.resolve("out/delta.onnx")))
                .containsExactly("delta.delta.data", "model.safetensors");
    }

    @Test
    void slotsOverTheCheckpointsOwnFile() throws IOException {
        Ledger ledger =
                new ExportModels()
                        .run(
                                request(
                                        List.of("lora-pos", "lora-spam"),
                                        FAMILY.resolve("base"),
                                        ExportRequest.Mode.slots,
                                        "dynamo"));
        assertThat(ledger.results())
                .allSatisfy(result ->
                        assertThat(String.valueOf(result.get("verified")))
                                .contains("equals the dense model"));
        assertThat(OnnxModel.locations(folder.resolve("out/slots.onnx")))
                .containsExactly("base.onnx.data", "model.safetensors");
        assertThat(folder.resolve("out/base.onnx.data")).hasSize(HEAD_BYTES);
    }

    /** Shards of float32 and of bfloat16, which graphs are given in. */
    @ParameterizedTest
    @EnumSource(
            value = DType.class,
            names = {"F32", "BF16"})
    void shardsOfOtherTypes(DType type) throws Exception {
        Path base = Files.createDirectory(folder.resolve("sharded"));
        Path graph = folder.resolve("of-shards.onnx");
        shard(type, base);
        try (var model = OnnxModel.open(FAMILY.resolve("onnx/theta0-nounsense-dynamo.onnx"));
                var theta = Checkpoint.open(FAMILY.resolve("base"));
                var rounded = Checkpoint.open(base)) {
            new ExportGraph(model, theta)
                    .merged("of-shards", ModelChanges.ofCheckpoint(theta, rounded), folder);
        }
        var plain = request(List.of("lora-spam"), base, ExportRequest.Mode.shared, "dynamo");
        var request =
                new ExportRequest(
                        plain.sources(),
                        Optional.of(graph),
                        plain.graphBase(),
                        plain.base(),
                        plain.mode(),
                        plain.form(),
                        plain.verify(),
                        plain.output(),
                        plain.force(),
                        plain.progress());
        Ledger ledger = new ExportModels().run(request);
        assertThat(String.valueOf(ledger.results().getFirst().get("verified")))
                .contains("equals the dense model");
        assertThat(OnnxModel.locations(folder.resolve("out/lora-spam.onnx")))
                .hasSizeGreaterThan(2)
                .filteredOn(name -> !name.endsWith(".data"))
                .allMatch(name -> name.matches("model-0000\\d-of-0000\\d.safetensors"));
    }

    private static void shard(DType type, Path into) throws IOException {
        try (var theta = Checkpoint.open(FAMILY.resolve("base"))) {
            List<TensorInfo> infos =
                    theta.tensors().stream()
                            .filter(i -> !i.name().startsWith("cls.")) // not in the graph
                            .map(i -> new TensorInfo(i.name(), type, i.shape()))
                            .toList();
            try (var out = CheckpointWriter.create(into, infos, Map.of(), 400_000)) {
                for (TensorInfo as : infos) {
                    TensorInfo info = theta.find(as.name()).orElseThrow();
                    try (var arena = java.lang.foreign.Arena.ofConfined()) {
                        out.write(
                                info.name(),
                                0,
                                Materialised.cast(info, theta.bytes(info.name()), type, arena));
                    }
                }
            }
        }
    }

    @Test
    void graphThatPointsIntoSafetensorsIsReadAndRun() throws Exception {
        Map<String, float[]> tensors = new HashMap<>();
        Map<String, long[]> shapes = new HashMap<>();
        tensors.put("odd", new float[] {1});
        shapes.put("odd", new long[0]);
        tensors.put("w", new float[] {1, 2, 3, 4, 5, 6});
        shapes.put("w", new long[] {2, 3});
        Path file = folder.resolve("weights.safetensors");
        Checkpoints.write(file, DType.F32, tensors, shapes);
        Path graph = folder.resolve("tiny.onnx");
        try (var reader = SafetensorsReader.open(file)) {
            var tiny = new TinyGraph().input("x", TinyGraph.FLOAT, "batch", 2);
            tiny.graph()
                    .addInitializer(
                            new ExternalFile("weights.safetensors", reader.fileOffset("w"))
                                    .initializer(reader.find("w").orElseThrow()));
            tiny.node("MatMul", "/layer/MatMul", "y", "x", "w")
                    .output("y", "batch", 3)
                    .write(graph);
        }
        try (var model = OnnxModel.open(graph);
                var run = GraphRun.open(graph, Optional.empty());
                var x =
                        OnnxTensor.createTensor(
                                OrtEnvironment.getEnvironment(), new float[][] {{1, 10}})) {
            assertThat(model.complaints()).isEmpty();
            float[] y = run.run(Map.of("x", x)).values().iterator().next();
            assertThat(y).containsExactly(new float[] {41, 52, 63}, within(0f));
        }
    }

    @Test
    void checkpointThatIsNoSafetensorsIsRefused() throws IOException {
        Path pickle = FAMILY.resolve("../../pickle/valid/zip_for_repack.bin");
        try (var checkpoint = Checkpoint.open(pickle)) {
            assertThatThrownBy(() -> CheckpointData.open(checkpoint, 17))
                    .isInstanceOf(ConversionException.BaseMismatch.class)
                    .hasMessageContaining("is no safetensors file");
        }
    }

    @Test
    void withoutACheckpointThereIsNothingToPointInto() {
        var plain =
                request(
                        List.of("lora-spam"),
                        FAMILY.resolve("base"),
                        ExportRequest.Mode.shared,
                        "dynamo");
        var request =
                new ExportRequest(
                        plain.sources(),
                        plain.graph(),
                        plain.graphBase(),
                        Optional.empty(),
                        plain.mode(),
                        plain.form(),
                        plain.verify(),
                        plain.output(),
                        plain.force(),
                        plain.progress());
        assertThatThrownBy(() -> new ExportModels().run(request))
                .isInstanceOf(ConversionException.BaseMismatch.class)
                .hasMessageContaining("no checkpoint for graphs to point into");
        assertThat(folder.resolve("out")).doesNotExist();
    }

    @Test
    void fullCheckPasses() throws Exception {
        Python python = Python.with("onnx");
        sparsify(FAMILY.resolve("base"));
        new ExportModels()
                .run(
                        request(
                                List.of("delta", "lora-spam"),
                                FAMILY.resolve("base"),
                                ExportRequest.Mode.shared,
                                "torchscript"));
        python.run(
                "check_onnx.py",
                "graphs",
                Stream.of("delta", "lora-spam")
                        .map(task -> folder.resolve("out/" + task + ".onnx").toString())
                        .toList());
    }
}
