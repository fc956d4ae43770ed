package graft.convert.export;

import ai.onnxruntime.OnnxTensor;
import ai.onnxruntime.OrtEnvironment;
import ai.onnxruntime.OrtException;
import ai.onnxruntime.OrtSession;

import java.io.IOException;
import java.nio.LongBuffer;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * A graph loaded in ONNX Runtime, for checks: int64 inputs in, the first output as float32 out. One
 * thread. Safe from any thread until {@link #close}.
 */
final class OrtModel implements AutoCloseable {
    private final OrtSession session;
    private final String name;

    private OrtModel(OrtSession session, String name) {
        this.session = session;
        this.name = name;
    }

    /**
     * Loads by path, so that external data is found beside the graph.
     *
     * @throws IOException with ONNX Runtime's own message if it does not accept the graph
     */
    static OrtModel open(Path graph) throws IOException {
        try {
            OrtSession session = GraphRun.ONE_THREAD.create(graph.toAbsolutePath());
            return new OrtModel(session, graph.toString());
        } catch (OrtException e) {
            throw GraphRun.failed(graph.toString(), e);
        }
    }

    /**
     * Runs a batch.
     *
     * @param inputs per name {@code rows · width} integers, row-major; names the graph lacks are
     *     left out
     * @return the first output, one array per row
     */
    float[][] run(Map<String, long[]> inputs, int rows, int width) throws IOException {
        Map<String, OnnxTensor> tensors = new HashMap<>();
        List<OnnxTensor> open = new ArrayList<>();
        try {
            for (String input : session.getInputNames()) {
                long[] values = inputs.get(input);
                if (values == null) {
                    throw new IOException("%s: wants an input %s".formatted(name, input));
                }
                OnnxTensor tensor =
                        OnnxTensor.createTensor(
                                OrtEnvironment.getEnvironment(),
                                LongBuffer.wrap(values),
                                new long[] {rows, width});
                open.add(tensor);
                tensors.put(input, tensor);
            }
            try (OrtSession.Result result = session.run(tensors)) {
                return (float[][]) result.get(0).getValue();
            }
        } catch (OrtException e) {
            throw GraphRun.failed(name, e);
        } catch (ClassCastException e) {
            throw new IOException(name + ": its first output is no matrix of float32", e);
        } finally {
            open.forEach(OnnxTensor::close);
        }
    }

    @Override
    public void close() throws IOException {
        try {
            session.close();
        } catch (OrtException e) {
            throw GraphRun.failed(name, e);
        }
    }
}
