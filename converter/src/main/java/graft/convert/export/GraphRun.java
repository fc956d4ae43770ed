package graft.convert.export;

import ai.onnxruntime.NodeInfo;
import ai.onnxruntime.OnnxTensor;
import ai.onnxruntime.OnnxValue;
import ai.onnxruntime.OrtException;
import ai.onnxruntime.OrtLoraAdapter;
import ai.onnxruntime.OrtSession;
import ai.onnxruntime.TensorInfo;

import graft.runtime.SessionSettings;

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
    static final SessionSettings ONE_THREAD = SessionSettings.DEFAULT.withThreads(1);

    private final String name;
    private final OrtSession session;
    private final @Nullable OrtLoraAdapter adapter;

    private GraphRun(String name, OrtSession session, @Nullable OrtLoraAdapter adapter) {
        this.name = name;
        this.session = session;
        this.adapter = adapter;
    }

    static GraphRun open(Path graph, Optional<Path> adapter) throws IOException {
        return open(graph, adapter, ONE_THREAD);
    }

    /**
     * @throws IOException with ONNX Runtime's own message if it does not accept graph or adapter
     */
    static GraphRun open(Path graph, Optional<Path> adapter, SessionSettings settings)
            throws IOException {
        @Nullable OrtSession session = null;
        try {
            session = settings.create(graph.toAbsolutePath());
            @Nullable OrtLoraAdapter lora =
                    adapter.isPresent()
                            ? OrtLoraAdapter.create(adapter.get().toAbsolutePath().toString())
                            : null;
            return new GraphRun(graph.toString(), session, lora);
        } catch (OrtException e) {
            close(session);
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

    static IOException failed(String what, OrtException error) {
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
        try {
            if (adapter != null) {
                adapter.close();
            }
        } catch (RuntimeException e) {
            throw new IllegalStateException(name, e);
        }
    }
}
