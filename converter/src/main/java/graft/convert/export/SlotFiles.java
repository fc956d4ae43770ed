package graft.convert.export;

import graft.convert.ledger.Ledger;

import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Set;

/** One graph with slots and an adapter for each task, of some kind. Used once. */
interface SlotFiles {
    /** The graph that is made. */
    String GRAPH = "slots.onnx";

    /** Writes graph and adapters. */
    void run() throws IOException;

    /** What was written, for the ledger. */
    List<Map<String, Object>> results();

    /** Models that were read. */
    List<Ledger.Input> inputs();

    /** What of a task the graph does not compute with. */
    Map<ExportTask, Set<String>> absent();

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
    void gates(Path scratch, Map<String, Integer> sizes, Dense denseBase, List<GraphGate> gates)
            throws IOException;
}
