package graft.convert.export;

import graft.convert.ConversionException;
import graft.formats.peft.PeftAdapter;
import graft.formats.tensor.DType;

import java.io.IOException;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/**
 * Adapters for a graph with slots: one that is made here, or one that another tool made. Used once.
 */
final class SlotExport extends SlotFiles {
    private boolean freeWeights;

    SlotExport(ExportRequest request, ExportBases bases, List<ExportTask> tasks, Path folder) {
        super(request, bases, tasks, folder);
    }

    @Override
    void run() throws IOException {
        Map<ExportTask, PeftAdapter> adapters = new LinkedHashMap<>();
        try {
            for (ExportTask task : tasks) {
                if (!PeftAdapter.isAt(task.path())) {
                    throw new ConversionException.BaseMismatch(
                            task.source() + " is no adapter, and slots take adapters only",
                            "use --mode sparse-slots for deltas, --mode shared for them and fine-tunes, or graft extract first");
                }
                adapters.put(task, OpenModel.openAdapter(task.path()));
            }
            write(adapters);
        } finally {
            adapters.values().forEach(PeftAdapter::close);
        }
    }

    private void write(Map<ExportTask, PeftAdapter> adapters) throws IOException {
        Optional<SlotTable> existing = bases.slots();
        ExportRequest.Form form = request.form();
        if (existing.isPresent() && (form.fromCheckpoint() || form.storage().isPresent())) {
            throw new ConversionException.BaseMismatch(
                    "the graph came with slots and keeps its base", "leave out --data and --dtype");
        }
        bases.buildOn(tasks.getFirst());
        Optional<ExportSlots> made = Optional.empty();
        if (existing.isEmpty()) {
            bases.sharedBase(tasks.getFirst(), folder);
            var slots =
                    new ExportSlots(
                            bases.export(), request.form().profile(), request.form().slotType());
            slots.prepare(bases.base(tasks.getFirst()), adapters.values());
            slots.writeGraph(folder.resolve(GRAPH));
            freeWeights = slots.hasFreeWeights();
            made = Optional.of(slots);
        }
        for (var entry : adapters.entrySet()) {
            ExportTask task = entry.getKey();
            PeftAdapter adapter = entry.getValue();
            long bytes;
            if (made.isPresent()) {
                bytes = made.get().writeAdapter(bases.base(task), adapter, adapter(task));
                leftOut(task, made.get().absent(bases.base(task), adapter));
            } else {
                var out = new SlotAdapter(existing.orElseThrow());
                out.addModules(adapter, Set.of());
                out.refuseHeads(adapter);
                bytes = out.write(adapter(task));
            }
            read(task, adapter.files());
            String graph = made.isPresent() ? GRAPH : bases.graph().file().getFileName().toString();
            wrote(task, graph, bytes, Map.of("modules", adapter.modules().size()));
        }
    }

    /**
     * Empty slots compute what the base does, bit for bit; filled ones what a merged model does. A
     * replaceable head and an adapted kernel are no constants, so that ONNX Runtime computes with
     * them by other kernels: then the empty graph agrees to float32 rounding.
     */
    @Override
    void gates(Path scratch, Map<String, Integer> sizes, Dense denseBase, List<GraphGate> gates)
            throws IOException {
        if (bases.slots().isPresent()) {
            Path graph = bases.graph().file();
            for (ExportTask task : tasks) {
                gates.add(gate(task, graph, graph, GraphGate.Expect.DIFFERENT, sizes));
            }
            return;
        }
        Path graph = folder.resolve(GRAPH);
        for (ExportTask task : tasks) {
            try (var model = OpenModel.open(task.path(), bases.base(task))) {
                Path dense = bases.export().merged(task.name(), model.changes(), scratch).graph();
                ExportRequest.Form form = request.form();
                // a merged weight is rounded once more than base and factors
                boolean rounded = form.slotType() == DType.BF16 || form.isNarrow();
                var same = rounded ? GraphGate.Expect.ROUGHLY : GraphGate.Expect.CLOSE;
                gates.add(gate(task, graph, dense, same, sizes));
                gates.add(gate(task, graph, denseBase.get(), GraphGate.Expect.DIFFERENT, sizes));
            }
        }
        String first = tasks.getFirst().name();
        var empty = freeWeights ? GraphGate.Expect.CLOSE : GraphGate.Expect.SAME;
        gates.add(new GraphGate(first, graph, Optional.empty(), denseBase.get(), empty, sizes));
    }

    private GraphGate gate(
            ExportTask task,
            Path graph,
            Path reference,
            GraphGate.Expect expect,
            Map<String, Integer> sizes) {
        return new GraphGate(
                task.name(), graph, Optional.of(adapter(task)), reference, expect, sizes);
    }
}
