package graft.convert.inspect;

import graft.formats.checkpoint.Checkpoint;
import graft.formats.delta.DeltaHeader;
import graft.formats.delta.DeltaReader;
import graft.formats.delta.SparseTensor;
import graft.formats.onnx.OnnxAdapter;
import graft.formats.onnx.OnnxModel;
import graft.formats.peft.PeftAdapter;
import graft.formats.tensor.TensorInfo;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/**
 * Tells what a path holds, and reads as much of it as that takes. Stateless, safe from any thread.
 */
public final class InspectModel {
    /**
     * @param source what the user called it
     * @throws graft.formats.FormatException if it is damaged or not understood
     */
    public Inspection run(Path path, String source) throws IOException {
        if (!Files.exists(path)) {
            throw new NoSuchFileException(source, null, "no such file or folder");
        }
        boolean deltaFile = path.endsWith(DeltaHeader.FILE_NAME);
        if (deltaFile || (Files.isDirectory(path) && DeltaReader.isAt(path))) {
            return delta(path, source);
        }
        if (PeftAdapter.isAt(path)) {
            return InspectAdapter.run(path, source);
        }
        if (OnnxAdapter.isAt(path)) {
            return slots(path, source);
        }
        return path.toString().endsWith(".onnx") ? graph(path, source) : checkpoint(path, source);
    }

    private static Inspection delta(Path path, String source) throws IOException {
        Path file = Files.isDirectory(path) ? path.resolve(DeltaHeader.FILE_NAME) : path;
        try (var delta = DeltaReader.open(file)) {
            List<SparseTensor> sparse = delta.header().tensors();
            List<TensorInfo> tensors = new ArrayList<>(delta.whole());
            sparse.forEach(tensor -> tensors.add(tensor.info()));
            tensors.addAll(delta.tied().keySet());
            Map<String, Object> facts = new TreeMap<>();
            facts.put("base", delta.header().baseName());
            facts.put("baseSha256", delta.header().baseSha256());
            facts.put("options", new TreeMap<>(delta.header().options()));
            facts.put("entries", sparse.stream().mapToLong(SparseTensor::count).sum());
            facts.put("sparseTensors", sparse.size());
            facts.put("wholeTensors", delta.whole().size());
            if (!delta.tied().isEmpty()) {
                facts.put("tied", new TreeMap<>(delta.header().tied()));
            }
            Map<String, Integer> codecs = new TreeMap<>();
            sparse.forEach(tensor -> codecs.merge(tensor.index().word(), 1, Integer::sum));
            facts.put("indexCodecs", codecs);
            return new Inspection(
                    source,
                    Inspection.Kind.DELTA,
                    List.of(DeltaHeader.FILE_NAME),
                    Files.size(file),
                    delta.headerBytes(),
                    tensors,
                    facts,
                    List.of());
        }
    }

    private static Inspection graph(Path path, String source) throws IOException {
        try (var model = OnnxModel.open(path)) {
            Map<String, Object> facts = new TreeMap<>();
            facts.put("irVersion", model.proto().getIrVersion());
            facts.put("opset", model.opset());
            facts.put("producer", model.proto().getProducerName());
            facts.put("nodes", model.proto().getGraph().getNodeCount());
            facts.put(
                    "inputs",
                    model.proto().getGraph().getInputList().stream()
                            .map(i -> i.getName())
                            .toList());
            facts.put(
                    "outputs",
                    model.proto().getGraph().getOutputList().stream()
                            .map(o -> o.getName())
                            .toList());
            return new Inspection(
                    source,
                    Inspection.Kind.GRAPH,
                    List.of(path.getFileName().toString()),
                    Files.size(path),
                    Files.size(path),
                    model.tensors(),
                    facts,
                    List.of());
        }
    }

    private static Inspection slots(Path path, String source) throws IOException {
        try (var adapter = OnnxAdapter.open(path)) {
            long data = adapter.tensors().stream().mapToLong(TensorInfo::bytes).sum();
            return new Inspection(
                    source,
                    Inspection.Kind.SLOTS,
                    List.of(path.getFileName().toString()),
                    Files.size(path),
                    Files.size(path) - data,
                    adapter.tensors(),
                    Map.of(),
                    List.of());
        }
    }

    private static Inspection checkpoint(Path path, String source) throws IOException {
        try (var checkpoint = Checkpoint.open(path)) {
            long bytes = 0;
            for (Path file : checkpoint.files()) {
                bytes += Files.size(file);
            }
            return new Inspection(
                    source,
                    Inspection.Kind.CHECKPOINT,
                    checkpoint.files().stream().map(file -> file.getFileName().toString()).toList(),
                    bytes,
                    checkpoint.headerBytes(),
                    checkpoint.tensors(),
                    new TreeMap<>(checkpoint.metadata()),
                    checkpoint.warnings());
        }
    }
}
