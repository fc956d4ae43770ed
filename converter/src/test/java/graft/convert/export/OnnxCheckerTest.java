package graft.convert.export;

import graft.convert.plan.Progress;
import graft.convert.testing.Python;
import graft.formats.checkpoint.Checkpoint;
import graft.formats.onnx.OnnxModel;
import graft.formats.peft.PeftAdapter;
import graft.formats.tensor.DType;
import graft.formats.tensor.TensorInfo;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/** Every kind of graph that Graft writes passes the full check of onnx itself. */
class OnnxCheckerTest {
    private static final Path FAMILY =
            Path.of(System.getProperty("graft.testdata"), "families/mini");

    @TempDir Path folder;

    @Test
    void everyWrittenGraphPassesTheFullCheck() throws Exception {
        Python python = Python.with("onnx");
        for (String exporter : List.of("torchscript", "dynamo")) {
            Path graph = FAMILY.resolve("onnx/theta0-nounsense-" + exporter + ".onnx");
            for (Optional<DType> type : List.of(Optional.<DType>empty(), Optional.of(DType.BF16))) {
                write(graph, type, folder.resolve(exporter + type.map(DType::name).orElse("")));
            }
        }
        for (Object[] pair : ArchitectureFixture.exports()) {
            var fixture = (ArchitectureFixture) pair[0];
            String exporter = (String) pair[1];
            if (!fixture.adapters().isEmpty()) {
                adapt(fixture, exporter);
            }
        }
        List<String> graphs = new ArrayList<>();
        try (var files = Files.walk(folder)) {
            files.filter(f -> f.toString().endsWith(".onnx"))
                    .forEach(f -> graphs.add(f.toString()));
        }
        python.run("check_onnx.py", "graphs", graphs);
    }

    private static void write(Path graph, Optional<DType> storage, Path out) throws IOException {
        Files.createDirectory(out);
        try (var model = OnnxModel.open(graph);
                var base = Checkpoint.open(FAMILY.resolve("base"));
                var tuned = Checkpoint.open(FAMILY.resolve("fft-pos"));
                var adapter = PeftAdapter.open(FAMILY.resolve("lora-spam"))) {
            var export = new ExportGraph(model, base, storage);
            export.merged("merged", ModelChanges.ofCheckpoint(base, tuned), out);
            export.sharedBase(out);
            export.shared("dense", ModelChanges.ofCheckpoint(base, tuned), out);
            export.shared("lora", ModelChanges.ofAdapter(base, adapter), out);
            List<TensorChange> sparse = new ArrayList<>();
            for (TensorInfo info : base.tensors()) {
                if (info.shape().rank() == 2 && info.name().startsWith("bert.")) {
                    sparse.add(
                            new TensorChange.Scatter(
                                    info,
                                    2,
                                    entry -> {
                                        entry.put(1, 0.5f);
                                        entry.put(info.shape().elements() - 1, 0.25f);
                                    }));
                }
            }
            export.shared("sparse", sparse, out);
            var slots = new ExportSlots(export, SlotNames.genai, DType.BF16);
            slots.prepare(base, List.of(adapter));
            slots.writeGraph(out.resolve("slots.onnx"));
            var scattered = new SparseSlots(export);
            scattered.prepare(export.plan(sparse));
            scattered.writeGraph(out.resolve("sparse-slots.onnx"));
            var whole = new SparseSlots(export);
            whole.prepare(export.plan(ModelChanges.ofCheckpoint(base, tuned)));
            whole.writeGraph(out.resolve("whole-slots.onnx"));
        }
    }

    private void adapt(ArchitectureFixture fixture, String exporter) throws IOException {
        Path out = folder.resolve(fixture.toString().replace('/', '-') + exporter);
        Files.createDirectory(out);
        new ExportModels()
                .run(
                        new ExportRequest(
                                List.of(
                                        new ExportRequest.Named(
                                                fixture.adapters().getFirst(), "adapter")),
                                fixture.graph(exporter),
                                Optional.empty(),
                                Optional.of(new ExportRequest.Named(fixture.folder(), "base")),
                                ExportRequest.Mode.slots,
                                ExportRequest.Form.DEFAULT,
                                Optional.empty(),
                                out.resolve("slots"),
                                false,
                                Progress.NONE));
    }
}
