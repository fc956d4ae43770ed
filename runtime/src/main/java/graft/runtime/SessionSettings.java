package graft.runtime;

import ai.onnxruntime.OrtEnvironment;
import ai.onnxruntime.OrtException;
import ai.onnxruntime.OrtLoggingLevel;
import ai.onnxruntime.OrtSession;

import java.io.IOException;
import java.nio.file.Path;
import java.util.Optional;

/**
 * How sessions are made. Immutable.
 *
 * @param threads that one run uses; 0 lets ONNX Runtime decide
 * @param cache folder for graphs as ONNX Runtime packed them for this machine, made when a graph is
 *     first loaded: later sessions, of other processes too, map the packed weights instead of
 *     building them in memory of their own. It takes up to twice the disk space of the weights per
 *     graph, and must not be moved to another machine
 * @param isOptimized whether ONNX Runtime may rewrite graphs and pack weights. If not, it runs each
 *     node as it stands, slower, and two graphs of the same weights give the same bits; nothing is
 *     kept in a cache then
 */
public record SessionSettings(int threads, Optional<Path> cache, boolean isOptimized) {
    /** ONNX Runtime's own number of threads, no cache, optimized. */
    public static final SessionSettings DEFAULT = new SessionSettings(0, Optional.empty(), true);

    /**
     * Checks the number of threads.
     *
     * @throws IllegalArgumentException if it is negative
     */
    public SessionSettings {
        if (threads < 0) {
            throw new IllegalArgumentException("threads: " + threads);
        }
    }

    /** The same with another number of threads. */
    public SessionSettings withThreads(int number) {
        return new SessionSettings(number, cache, isOptimized);
    }

    /** The same with a cache. */
    public SessionSettings withCache(Path folder) {
        return new SessionSettings(threads, Optional.of(folder), isOptimized);
    }

    /** The same without optimization. */
    public SessionSettings unoptimized() {
        return new SessionSettings(threads, cache, false);
    }

    /**
     * ONNX Runtime's own session of one graph, to be closed by the caller.
     *
     * @param graph absolute, so that its data files are found
     * @throws OrtException if ONNX Runtime does not accept the graph
     * @throws IOException if it cannot be loaded into this process, or the cache cannot be written
     */
    public OrtSession create(Path graph) throws IOException, OrtException {
        OrtEnvironment environment = Environments.get();
        boolean packs = cache.isPresent() && isOptimized;
        Path file = packs ? new PackedCache(cache.get(), this).packed(graph) : graph;
        try (var options = options()) {
            return environment.createSession(file.toString(), options);
        }
    }

    OrtSession.SessionOptions options() throws OrtException {
        var options = new OrtSession.SessionOptions();
        try {
            if (threads > 0) {
                options.setIntraOpNumThreads(threads);
                options.setInterOpNumThreads(1);
            }
            if (!isOptimized) {
                options.setOptimizationLevel(OrtSession.SessionOptions.OptLevel.NO_OPT);
                options.addConfigEntry("session.disable_prepacking", "1");
            }
            options.setSessionLogLevel(OrtLoggingLevel.ORT_LOGGING_LEVEL_ERROR);
            // weights above 1 GiB would be computed anew in every run
            options.addConfigEntry("optimization.constant_folding_max_output_size_in_bytes", "0");
            return options;
        } catch (OrtException e) {
            options.close();
            throw e;
        }
    }
}
