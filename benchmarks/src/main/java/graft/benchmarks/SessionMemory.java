package graft.benchmarks;

import ai.onnxruntime.OnnxTensor;
import ai.onnxruntime.OrtEnvironment;

import graft.runtime.GraftSession;
import graft.runtime.SessionSettings;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * Memory of a process with some tasks of an exported folder loaded, and the time of a run.
 * Arguments: the folder, how many tasks, the batch as {@code 1x16} (rows, tokens), and perhaps a
 * cache folder.
 */
public final class SessionMemory {
    private static final int ROUNDS = 30;

    private SessionMemory() {}

    /** Prints one line: tasks, MB, milliseconds. */
    public static void main(String[] arguments) throws Exception {
        var settings = SessionSettings.DEFAULT.withThreads(1);
        if (arguments.length > 3) {
            settings = settings.withCache(Path.of(arguments[3]));
        }
        String[] batch = arguments[2].split("x");
        int rows = Integer.parseInt(batch[0]);
        int width = Integer.parseInt(batch[1]);
        try (var session = GraftSession.open(Path.of(arguments[0]), settings)) {
            List<String> tasks = session.tasks().subList(0, Integer.parseInt(arguments[1]));
            Map<String, OnnxTensor> inputs = new HashMap<>();
            for (String name : session.session(tasks.getFirst()).getInputNames()) {
                long[][] values = new long[rows][width];
                for (long[] row : values) {
                    for (int i = 0; i < width; i++) {
                        row[i] = name.contains("mask") ? 1 : name.contains("type") ? 0 : 100 + i;
                    }
                }
                inputs.put(name, OnnxTensor.createTensor(OrtEnvironment.getEnvironment(), values));
            }
            long best = Long.MAX_VALUE;
            for (int round = 0; round < ROUNDS; round++) {
                for (String task : tasks) {
                    long start = System.nanoTime();
                    session.run(task, inputs).close();
                    best = Math.min(best, System.nanoTime() - start);
                }
            }
            System.out.printf(
                    "%d tasks: RSS %d MB, PSS %d MB, anonymous %d MB, run %.2f ms%n",
                    tasks.size(),
                    kilobytes("Rss:") / 1000,
                    kilobytes("Pss:") / 1000,
                    kilobytes("Anonymous:") / 1000,
                    best / 1e6);
            inputs.values().forEach(OnnxTensor::close);
        }
    }

    private static long kilobytes(String field) throws Exception {
        return Files.readAllLines(Path.of("/proc/self/smaps_rollup")).stream()
                .filter(line -> line.startsWith(field))
                .mapToLong(line -> Long.parseLong(line.replaceAll("\\D+", "")))
                .findFirst()
                .orElse(-1);
    }
}
