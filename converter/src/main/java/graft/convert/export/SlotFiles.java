package graft.convert.export;

import graft.convert.ledger.Ledger;
import graft.convert.plan.Inputs;
import graft.formats.onnx.OnnxAdapter;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;

/** One graph with slots and an adapter for each task, of some kind. Used once. */
abstract class SlotFiles {
    /** The graph that is made. */
    static final String GRAPH = "slots.onnx";

    final ExportRequest request;
    final ExportBases bases;
    final List<ExportTask> tasks;
    final Path folder;
    private final List<Map<String, Object>> results = new ArrayList<>();
    private final List<Ledger.Input> inputs = new ArrayList<>();
    private final Map<ExportTask, Set<String>> absent = new LinkedHashMap<>();

    SlotFiles(ExportRequest request, ExportBases bases, List<ExportTask> tasks, Path folder) {
        this.request = request;
        this.bases = bases;
        this.tasks = tasks;
        this.folder = folder;
    }

    /** Writes graph and adapters. */
    abstract void run() throws IOException;

    /** Where the adapter of a task is. */
    final Path adapter(ExportTask task) {
        return folder.resolve(task.name() + OnnxAdapter.SUFFIX);
    }

    /** Notes a model that is read, for the ledger. */
    final void read(ExportTask task, List<Path> files) throws IOException {
        inputs.addAll(Inputs.of("model", task.source(), files));
    }

    /** Notes what of a task the graph does not compute with. */
    final void leftOut(ExportTask task, Set<String> tensors) {
        absent.put(task, tensors);
    }

    /** Notes an adapter that is written, for the ledger. */
    final void wrote(ExportTask task, String graph, long bytes, Map<String, Integer> counts) {
        Map<String, Object> result = new TreeMap<>(counts);
        result.put("task", task.name());
        result.put("adapter", adapter(task).getFileName().toString());
        result.put("graph", graph);
        result.put("bytes", bytes);
        results.add(result);
        request.progress().advance(1);
    }

    /** What was written, for the ledger. */
    final List<Map<String, Object>> results() {
        return results;
    }

    /** Models that were read. */
    final List<Ledger.Input> inputs() {
        return inputs;
    }

    /** What of a task the graph does not compute with. */
    final Map<ExportTask, Set<String>> absent() {
        return absent;
    }

    /** Makes a file when it is needed. */
    interface Dense {
        Path get() throws IOException;
    }

    /**
     * Adds what must hold of the written files.
     *
     * @param scratch for dense graphs to compare with
     * @param sizes see {@link ProbeInputs}
     */
    abstract void gates(
            Path scratch, Map<String, Integer> sizes, Dense denseBase, List<GraphGate> gates)
            throws IOException;
}
