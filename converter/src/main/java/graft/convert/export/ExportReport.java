package graft.convert.export;

import java.nio.file.Path;
import java.util.List;

/**
 * One graph that was written.
 *
 * @param graph the file
 * @param bindings of the whole graph
 * @param replaced initializers written anew, whole
 * @param scattered initializers over which values are scattered
 * @param bytes of the graph and of the data that is its own
 */
public record ExportReport(
        Path graph, List<Binding> bindings, int replaced, int scattered, long bytes) {}
