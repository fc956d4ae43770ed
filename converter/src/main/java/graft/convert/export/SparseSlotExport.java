package graft.convert.export;

import graft.convert.ConversionException;
import graft.formats.delta.DeltaReader;
import graft.formats.tensor.DType;

import java.io.IOException;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/** Sparse deltas for the slots of one graph. Used once. */
final class SparseSlotExport extends SlotFiles {
    SparseSlotExport(
            ExportRequest request, ExportBases bases, List<ExportTask> tasks, Path folder) {
        super(request, bases, tasks, folder);
    }

    @Override
    void run() throws IOException {
        for (ExportTask task : tasks) {
            if (!DeltaReader.isAt(task.path())) {
                throw new ConversionException.BaseMismatch(
                        task.source() + " is no sparse delta, and sparse slots take nothing else",
                        "use --mode slots for adapters, graft sparsify or --mode shared for fine-tunes");
            }
        }
        if (bases.groups(tasks).size() > 1) {
            throw new ConversionException.BaseMismatch(
                    "the deltas build on several merged models, and slots have one base",
                    "export each bundle into a folder of its own");
        }
        bases.buildOn(tasks.getFirst());
        bases.sharedBase(tasks.getFirst(), folder);
        Map<ExportTask, OpenModel> models = new LinkedHashMap<>();
        try {
            for (ExportTask task : tasks) {
                models.put(task, OpenModel.open(task.path(), bases.base(task)));
            }
            write(models);
        } finally {
            for (OpenModel model : models.values()) {
                model.close();
            }
        }
    }

    private void write(Map<ExportTask, OpenModel> models) throws IOException {
        var slots = new SparseSlots(bases.export());
        Map<ExportTask, ExportPlan> plans = new LinkedHashMap<>();
        for (var entry : models.entrySet()) {
            ExportTask task = entry.getKey();
            entry.getValue().requireChanges(task.source(), bases.base(task).name());
            ExportPlan plan = bases.export().plan(entry.getValue().changes());
            read(task, entry.getValue().files());
            slots.prepare(plan);
            plans.put(task, plan);
            leftOut(task, plan.absent());
        }
        slots.writeGraph(folder.resolve(GRAPH));
        for (var entry : plans.entrySet()) {
            ExportTask task = entry.getKey();
            ExportPlan plan = entry.getValue();
            long bytes = slots.writeAdapter(plan, adapter(task));
            int scattered = slots.scattered(plan);
            int replaced = plan.targets().size() - scattered;
            wrote(task, GRAPH, bytes, Map.of("replaced", replaced, "scattered", scattered));
        }
    }

    /**
     * Filled slots hold the weights of the dense model, empty ones the base's, bit for bit. That
     * shows where the graph computes in float32.
     */
    @Override
    void gates(Path scratch, Map<String, Integer> sizes, Dense denseBase, List<GraphGate> gates)
            throws IOException {
        Path graph = folder.resolve(GRAPH);
        Path base = denseBase.get();
        // in float16 ONNX Runtime moves casts about, and so roundings, whatever its settings
        boolean half = bases.graph().tensors().stream().anyMatch(t -> t.dtype() == DType.F16);
        var same =
                half
                        ? List.of(GraphGate.Expect.ROUGHLY)
                        : List.of(GraphGate.Expect.WEIGHTS, GraphGate.Expect.CLOSE);
        for (ExportTask task : tasks) {
            Optional<Path> adapter = Optional.of(adapter(task));
            try (var model = OpenModel.open(task.path(), bases.base(task))) {
                Path dense = bases.export().merged(task.name(), model.changes(), scratch).graph();
                for (GraphGate.Expect expect : same) {
                    gates.add(new GraphGate(task.name(), graph, adapter, dense, expect, sizes));
                }
            }
            var different = GraphGate.Expect.DIFFERENT;
            gates.add(new GraphGate(task.name(), graph, adapter, base, different, sizes));
        }
        String first = tasks.getFirst().name();
        for (GraphGate.Expect expect : same) {
            gates.add(new GraphGate(first, graph, Optional.empty(), base, expect, sizes));
        }
    }
}
