package graft.runtime;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.List;
import java.util.NoSuchElementException;
import java.util.Optional;
import java.util.TreeMap;

/**
 * What is in an exported folder. {@code TASK.onnx} is a task; with a {@code slots.onnx}, so is
 * every {@code TASK.onnx_adapter}. Of a bundle of both kinds they lie in {@code deltas/} and {@code
 * adapters/}, of a folder of {@code graft convert} in its {@code onnx/}.
 */
record Bundle(Path folder, TreeMap<String, Task> byName) {
    private static final String SLOTS = "slots.onnx";
    private static final String GRAPH = ".onnx";
    private static final String ADAPTER = ".onnx_adapter";

    /** Where {@code graft convert} puts its graphs. */
    private static final String CONVERTED = "onnx";

    private static final List<String> KINDS = List.of("deltas", "adapters");

    /**
     * A task's files.
     *
     * @param adapter for the slots of {@code graph}
     */
    record Task(Path graph, Optional<Path> adapter) {}

    static Bundle of(Path folder) throws IOException {
        Path absolute = folder.toAbsolutePath().normalize(); // ONNX Runtime wants it so
        if (!Files.isDirectory(absolute)) {
            throw new NoSuchFileException(folder.toString(), null, "no such folder");
        }
        TreeMap<String, Task> tasks = new TreeMap<>();
        addTasks(absolute, tasks);
        if (tasks.isEmpty()) {
            addBoth(absolute, tasks);
        }
        if (tasks.isEmpty() && Files.isDirectory(absolute.resolve(CONVERTED))) {
            addTasks(absolute.resolve(CONVERTED), tasks);
            addBoth(absolute.resolve(CONVERTED), tasks);
        }
        if (tasks.isEmpty()) {
            throw new NoSuchFileException(
                    folder.toString(), null, "holds no graph that graft export wrote");
        }
        return new Bundle(absolute, tasks);
    }

    /** Deltas on a merged model and adapters on its base: each kind has its own base and folder. */
    private static void addBoth(Path folder, TreeMap<String, Task> tasks) throws IOException {
        for (String kind : KINDS) {
            if (Files.isDirectory(folder.resolve(kind))) {
                addTasks(folder.resolve(kind), tasks);
            }
        }
    }

    private static void addTasks(Path folder, TreeMap<String, Task> tasks) throws IOException {
        Path slots = folder.resolve(SLOTS);
        List<Path> files;
        try (var entries = Files.list(folder)) {
            files = entries.filter(Files::isRegularFile).toList();
        }
        for (Path file : files) {
            String name = file.getFileName().toString();
            if (name.endsWith(ADAPTER) && Files.exists(slots)) {
                tasks.put(stem(name, ADAPTER), new Task(slots, Optional.of(file)));
            } else if (name.endsWith(GRAPH) && !name.equals(SLOTS)) {
                tasks.put(stem(name, GRAPH), new Task(file, Optional.empty()));
            }
        }
    }

    private static String stem(String name, String ending) {
        return name.substring(0, name.length() - ending.length());
    }

    List<String> tasks() {
        return List.copyOf(byName.keySet());
    }

    Task task(String name) {
        Task task = byName.get(name);
        if (task == null) {
            throw new NoSuchElementException(
                    "no task '%s' in %s; there are %s".formatted(name, folder, byName.keySet()));
        }
        return task;
    }
}
