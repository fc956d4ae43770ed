package graft.runtime;

import ai.onnxruntime.OnnxTensorLike;
import ai.onnxruntime.OrtException;
import ai.onnxruntime.OrtLoraAdapter;
import ai.onnxruntime.OrtSession;

import java.io.IOException;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.NoSuchElementException;
import java.util.Optional;
import java.util.concurrent.locks.Lock;
import java.util.concurrent.locks.ReadWriteLock;
import java.util.concurrent.locks.ReentrantReadWriteLock;

/**
 * The tasks of an exported folder, ready to run.
 *
 * <p>Tasks with adapters share one session, whatever their ranks; a task with a graph of its own
 * gets a session of its own when it is first run. Safe from any thread: many may run the same task,
 * or different ones, at once.
 *
 * <pre>{@code
 * try (var session = GraftSession.open(Path.of("onnx"));
 *         var ids = OnnxTensor.createTensor(environment, new long[][] {{101, 2023, 102}});
 *         var result = session.run("spam", Map.of("input_ids", ids))) {
 *     float[][] logits = (float[][]) result.get("logits").orElseThrow().getValue();
 * }
 * }</pre>
 */
public final class GraftSession implements AutoCloseable {
    private final Bundle bundle;
    private final SessionSettings settings;
    private final Map<Path, OrtSession> sessions = new HashMap<>();
    private final Map<Path, OrtLoraAdapter> adapters = new HashMap<>();
    private final ReadWriteLock running = new ReentrantReadWriteLock();
    private boolean closed;

    private GraftSession(Bundle bundle, SessionSettings settings) {
        this.bundle = bundle;
        this.settings = settings;
    }

    /**
     * Loads ONNX Runtime and lists what is in a folder; no graph is loaded before it is run.
     *
     * @param folder that {@code graft export} or {@code graft convert} wrote
     * @throws java.nio.file.NoSuchFileException if there is no such folder, or no graph in it
     */
    public static GraftSession open(Path folder) throws IOException {
        return open(folder, SessionSettings.DEFAULT);
    }

    /** As {@link #open(Path)}, with settings for all sessions. */
    public static GraftSession open(Path folder, SessionSettings settings) throws IOException {
        Bundle bundle = Bundle.of(folder);
        Environments.get(); // before the caller asks for it, to make tensors
        return new GraftSession(bundle, settings);
    }

    /** Names of the tasks, sorted. */
    public List<String> tasks() {
        return bundle.tasks();
    }

    /**
     * Runs a task.
     *
     * @param inputs by the graph's input names
     * @return outputs by name, to be closed by the caller before this session
     * @throws NoSuchElementException if there is no such task
     * @throws IllegalStateException after {@link #close}
     * @throws IOException with ONNX Runtime's own message if graph, adapter or inputs are refused
     */
    public OrtSession.Result run(String task, Map<String, ? extends OnnxTensorLike> inputs)
            throws IOException {
        Lock lock = running.readLock();
        lock.lock();
        try (var options = new OrtSession.RunOptions()) {
            Bundle.Task one = bundle.task(task);
            OrtSession session = session(one.graph());
            Optional<OrtLoraAdapter> adapter = adapter(one);
            if (adapter.isPresent()) {
                options.addActiveLoraAdapter(adapter.get());
            }
            return session.run(inputs, options);
        } catch (OrtException e) {
            throw failed(task, e);
        } finally {
            lock.unlock();
        }
    }

    /**
     * ONNX Runtime's session of a task, for the names, types and shapes of its inputs and outputs.
     * It belongs to this object, and does not know the task's adapter.
     */
    public OrtSession session(String task) throws IOException {
        Lock lock = running.readLock();
        lock.lock();
        try {
            return session(bundle.task(task).graph());
        } finally {
            lock.unlock();
        }
    }

    private OrtSession session(Path graph) throws IOException {
        synchronized (sessions) {
            if (closed) {
                throw new IllegalStateException("closed");
            }
            OrtSession known = sessions.get(graph);
            if (known == null) {
                try {
                    known = settings.create(graph);
                } catch (OrtException e) {
                    throw failed(graph.toString(), e);
                }
                sessions.put(graph, known);
            }
            return known;
        }
    }

    private Optional<OrtLoraAdapter> adapter(Bundle.Task task) throws OrtException {
        if (task.adapter().isEmpty()) {
            return Optional.empty();
        }
        Path file = task.adapter().get();
        synchronized (sessions) {
            OrtLoraAdapter known = adapters.get(file);
            if (known == null) {
                known = OrtLoraAdapter.create(file.toString());
                adapters.put(file, known);
            }
            return Optional.of(known);
        }
    }

    private static IOException failed(String what, OrtException error) {
        return new IOException(what + ": ONNX Runtime: " + error.getMessage(), error);
    }

    /** Waits for what is running, then releases every session and adapter. */
    @Override
    public void close() throws IOException {
        Lock lock = running.writeLock();
        lock.lock();
        try {
            synchronized (sessions) {
                closed = true;
                for (OrtSession session : sessions.values()) {
                    session.close();
                }
                sessions.clear();
                adapters.values().forEach(OrtLoraAdapter::close);
                adapters.clear();
            }
        } catch (OrtException e) {
            throw failed(bundle.folder().toString(), e);
        } finally {
            lock.unlock();
        }
    }
}
