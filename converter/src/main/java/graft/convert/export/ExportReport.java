package graft.convert.export;

import java.nio.file.Path;
import java.util.Set;

/**
 * One graph that was written.
 *
 * @param graph the file
 * @param replaced initializers written anew, whole
 * @param scattered initializers computed from shared data when the graph is loaded
 * @param absent changed tensors that the graph does not compute with
 * @param bytes of the graph and of the data that is its own
 */
public record ExportReport(
        Path graph, int replaced, int scattered, Set<String> absent, long bytes) {}
