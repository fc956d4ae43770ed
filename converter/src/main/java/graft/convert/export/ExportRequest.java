package graft.convert.export;

import graft.convert.plan.Progress;

import java.nio.file.Path;
import java.util.List;

/**
 * What to export.
 *
 * @param sources fine-tunes, sparse deltas or adapters; each becomes a graph
 * @param graph an export of the base, with a head of the tasks' kind if they have one
 * @param graphBase the checkpoint that {@code graph} was exported from
 * @param base the checkpoint that deltas build on; the same as {@code graphBase} unless it is a
 *     merged model
 * @param mode dense graphs, or graphs over one shared base
 * @param verify whether every graph is run in ONNX Runtime beside its dense form
 * @param output folder to create
 * @param force whether an existing output is replaced
 * @param progress hears graphs done
 */
public record ExportRequest(
        List<Source> sources,
        Path graph,
        Named graphBase,
        Named base,
        Mode mode,
        boolean verify,
        Path output,
        boolean force,
        Progress progress) {
    /** How a model's weights get into its graph. */
    public enum Mode {
        /** One dense model per source. */
        merged,
        /** One base for all sources, each graph with its own values over it. */
        shared
    }

    /** A path and what the user called it. */
    public record Named(Path path, String source) {}

    /** A model and the name of its graph. */
    public record Source(Path path, String source, String task) {}
}
