package graft.convert.export;

import graft.convert.ConversionException;
import graft.convert.ledger.Ledger;
import graft.convert.plan.Inputs;
import graft.formats.checkpoint.Checkpoint;
import graft.formats.delta.DeltaReader;
import graft.formats.onnx.OnnxModel;
import graft.formats.peft.PeftAdapter;
import graft.formats.tensor.TensorInfo;
import graft.formats.tensor.TensorSource;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/**
 * The graph of an export, the checkpoint it was exported from, and the checkpoints that models
 * build on. Not thread-safe.
 */
final class ExportBases implements AutoCloseable {
    private final ExportRequest request;
    private final OnnxModel graph;
    private final TensorSource graphBase;
    private final Map<Path, Checkpoint> opened;
    private final List<Ledger.Input> inputs = new ArrayList<>();
    private TensorSource builtOn;
    private Optional<ExportGraph> export = Optional.empty();
    private Optional<SlotTable> slots = Optional.empty();

    private ExportBases(
            ExportRequest request,
            OnnxModel graph,
            List<ExportTask> tasks,
            Map<Path, Checkpoint> opened)
            throws IOException {
        this.request = request;
        this.graph = graph;
        this.opened = opened;
        inputs.addAll(Inputs.of("graph", graph.name(), List.of(graph.file())));
        Optional<ExportRequest.Named> checkpoint = request.graphBase().or(request::base);
        if (checkpoint.isPresent()) {
            Checkpoint one = checkpoint(checkpoint.get().path());
            this.graphBase = one;
            inputs.addAll(Inputs.of("base", checkpoint.get().source(), one.files()));
        } else {
            this.graphBase = GraphCheckpoint.of(graph, namesOf(tasks));
        }
        this.builtOn = graphBase;
    }

    /**
     * @throws ConversionException.BaseMismatch if the graph is of another base
     */
    static ExportBases open(ExportRequest request, List<ExportTask> tasks) throws IOException {
        Path file =
                request.graph().isPresent()
                        ? request.graph().get()
                        : GraphFinder.find(folders(request));
        OnnxModel graph = OnnxModel.open(file);
        Map<Path, Checkpoint> opened = new HashMap<>();
        try {
            var bases = new ExportBases(request, graph, tasks, opened);
            bases.bind();
            return bases;
        } catch (Throwable e) {
            opened.values().forEach(Checkpoint::close);
            graph.close();
            throw e;
        }
    }

    private void bind() throws IOException {
        if (request.mode() == ExportRequest.Mode.slots) {
            slots = SlotTable.of(graph);
            if (slots.isPresent()) {
                return; // made with slots: adapters fit by the names of its inputs
            }
        }
        if (request.mode() == ExportRequest.Mode.sparseSlots
                && graph.metadata().containsKey(SlotTable.METADATA)) {
            throw new ConversionException.BaseMismatch(
                    graph.name() + " came with slots, and sparse slots are made anew",
                    "give the graph that it was made from, with all deltas");
        }
        var bound = new ExportGraph(graph, graphBase, request.form().storage());
        bound.binding().requireSameBase(graph.name(), graphBase.name());
        export = Optional.of(bound);
    }

    /** Names that a fine-tune has for what the graph may call otherwise. */
    private static Set<String> namesOf(List<ExportTask> tasks) throws IOException {
        Set<String> names = new HashSet<>();
        for (ExportTask task : tasks) {
            if (!PeftAdapter.isAt(task.path()) && !DeltaReader.isAt(task.path())) {
                try (var model = Checkpoint.open(task.path())) {
                    model.tensors().stream().map(TensorInfo::name).forEach(names::add);
                }
            }
        }
        return names;
    }

    private static List<Path> folders(ExportRequest request) {
        List<Path> folders = new ArrayList<>();
        request.graphBase().ifPresent(base -> folders.add(base.path()));
        request.base().ifPresent(base -> folders.add(base.path()));
        request.sources().forEach(source -> folders.add(source.path()));
        return folders.stream().filter(Files::isDirectory).toList();
    }

    /** Where configurations may lie. */
    List<Path> folders() {
        List<Path> folders = new ArrayList<>(folders(request));
        Optional.ofNullable(graph.file().toAbsolutePath().getParent()).ifPresent(folders::add);
        return folders;
    }

    private Checkpoint checkpoint(Path path) throws IOException {
        Checkpoint known = opened.get(path);
        if (known == null) {
            known = Checkpoint.open(path);
            opened.put(path, known);
        }
        return known;
    }

    OnnxModel graph() {
        return graph;
    }

    /** Slots that the graph came with. */
    Optional<SlotTable> slots() {
        return slots;
    }

    /** The graph's weights bound to the base; not for a graph that came with slots. */
    ExportGraph export() {
        return export.orElseThrow(
                () -> new IllegalStateException(graph.name() + " came with slots"));
    }

    Optional<GraphBinding> binding() {
        return export.map(ExportGraph::binding);
    }

    /** What a model builds on. */
    TensorSource base(ExportTask task) {
        return under(task).<TensorSource>map(opened::get).orElse(graphBase);
    }

    private Optional<Path> under(ExportTask task) {
        return task.merged().or(() -> request.base().map(ExportRequest.Named::path));
    }

    /** Makes graphs build on what a model builds on. */
    void buildOn(ExportTask task) throws IOException {
        Optional<Path> path = under(task);
        if (path.isPresent() && !opened.containsKey(path.get())) {
            Checkpoint under = checkpoint(path.get());
            inputs.addAll(Inputs.of("base", path.get().getFileName().toString(), under.files()));
        }
        TensorSource under = base(task);
        if (export.isPresent() && under != builtOn) { // comparing reads both whole
            // what the base has and the graph's does not belongs to no task
            export.get()
                    .buildOn(
                            ModelChanges.ofCheckpoint(graphBase, under).stream()
                                    .filter(c -> graphBase.find(c.info().name()).isPresent())
                                    .toList());
            builtOn = under;
        }
    }

    /**
     * Models apart by what they build on: of a bundle, deltas on the merged model and adapters on
     * the base itself.
     */
    List<List<ExportTask>> groups(List<ExportTask> tasks) {
        Map<Optional<Path>, List<ExportTask>> groups = new LinkedHashMap<>();
        for (ExportTask task : tasks) {
            groups.computeIfAbsent(under(task), _ -> new ArrayList<>()).add(task);
        }
        return List.copyOf(groups.values());
    }

    /**
     * Writes the data that tasks share, those of one group.
     *
     * @throws ConversionException.BaseMismatch if the checkpoint's files shall be that data, and
     *     there is no checkpoint, or none of safetensors
     */
    void sharedBase(ExportTask task, Path folder) throws IOException {
        if (!request.form().fromCheckpoint()) {
            export().sharedBase(folder);
        } else if (base(task) instanceof Checkpoint checkpoint) {
            try (var data = CheckpointData.open(checkpoint, graph.opset())) {
                export().sharedBase(folder, Optional.of(data));
            }
        } else {
            throw new ConversionException.BaseMismatch(
                    "--data safetensors, but no checkpoint for graphs to point into",
                    "name it with --base");
        }
    }

    /** Graph and checkpoints, for the ledger. */
    List<Ledger.Input> inputs() {
        return inputs;
    }

    @Override
    public void close() {
        opened.values().forEach(Checkpoint::close);
        graph.close();
    }
}
