package graft.convert.export;

import ai.onnxruntime.NodeInfo;
import ai.onnxruntime.OnnxTensor;
import ai.onnxruntime.OnnxValue;
import ai.onnxruntime.OrtEnvironment;
import ai.onnxruntime.OrtException;
import ai.onnxruntime.OrtLoggingLevel;
import ai.onnxruntime.OrtLoraAdapter;
import ai.onnxruntime.OrtSession;
import ai.onnxruntime.TensorInfo;

import org.jspecify.annotations.Nullable;

import java.io.IOException;
import java.nio.FloatBuffer;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;

/**
 * A graph loaded in ONNX Runtime with any inputs, and perhaps an adapter in its slots. One thread.
 * Safe from any thread until {@link #close}.
 */
final class GraphRun implements AutoCloseable {
    private final String name;
    private final OrtSession.SessionOptions options;
    private final OrtSession session;
    private final @Nullable OrtLoraAdapter adapter;

    private GraphRun(
            String name,
            OrtSession.SessionOptions options,
            OrtSession session,
            @Nullable OrtLoraAdapter adapter) {
        this.name = name;
        this.options = options;
        this.session = session;
        this.adapter = adapter;
    }

    /**
     * @throws IOException with ONNX Runtime's own message if it does not accept graph or adapter
     */
    static GraphRun open(Path graph, Optional<Path> adapter) throws IOException {
        OrtEnvironment environment = OrtEnvironment.getEnvironment();
        var options = new OrtSession.SessionOptions();
        @Nullable OrtSession session = null;
        try {
            options.setIntraOpNumThreads(1);
            options.setInterOpNumThreads(1);
            options.setSessionLogLevel(OrtLoggingLevel.ORT_LOGGING_LEVEL_ERROR);
            // outputs above 1 GiB would be scattered anew in every run
            options.addConfigEntry("optimization.constant_folding_max_output_size_in_bytes", "0");
            session = environment.createSession(graph.toAbsolutePath().toString(), options);
            @Nullable OrtLoraAdapter lora =
                    adapter.isPresent()
                            ? OrtLoraAdapter.create(adapter.get().toAbsolutePath().toString())
                            : null;
            return new GraphRun(graph.toString(), options, session, lora);
        } catch (OrtException e) {
            close(session);
            options.close();
            throw failed(adapter.map(Path::toString).orElse(graph.toString()), e);
        }
    }

    private static void close(@Nullable OrtSession session) {
        try {
            if (session != null) {
                session.close();
            }
        } catch (OrtException e) {
            // the first failure is reported
        }
    }

    private static IOException failed(String what, OrtException error) {
        return new IOException(what + ": ONNX Runtime: " + error.getMessage(), error);
    }

    /** Types and extents of the inputs that must be fed; a free extent is -1. */
    Map<String, TensorInfo> inputs() throws IOException {
        try {
            Map<String, TensorInfo> inputs = new LinkedHashMap<>();
            for (NodeInfo info : session.getInputInfo().values()) {
                if (info.getInfo() instanceof TensorInfo tensor) {
                    inputs.put(info.getName(), tensor);
                } else {
                    throw new IOException(name + ": input " + info.getName() + " is no tensor");
                }
            }
            return inputs;
        } catch (OrtException e) {
            throw failed(name, e);
        }
    }

    /** Runs once; gives the outputs of a float type, flat. */
    Map<String, float[]> run(Map<String, OnnxTensor> feeds) throws IOException {
        Map<String, float[]> outputs = new LinkedHashMap<>();
        try (var run = new OrtSession.RunOptions()) {
            if (adapter != null) {
                run.addActiveLoraAdapter(adapter);
            }
            try (OrtSession.Result result = session.run(feeds, run)) {
                for (Map.Entry<String, OnnxValue> output : result) {
                    if (output.getValue() instanceof OnnxTensor tensor
                            && tensor.getInfo().type.name().contains("FLOAT")) {
                        FloatBuffer values = tensor.getFloatBuffer();
                        float[] copy = new float[values.remaining()];
                        values.get(copy);
                        outputs.put(output.getKey(), copy);
                    }
                }
            }
            return outputs;
        } catch (OrtException e) {
            throw failed(name, e);
        }
    }

    @Override
    public void close() {
        close(session);
        options.close();
        try {
            if (adapter != null) {
                adapter.close();
            }
        } catch (RuntimeException e) {
            throw new IllegalStateException(name, e);
        }
    }
}
