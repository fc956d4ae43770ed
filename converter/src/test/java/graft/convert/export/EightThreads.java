package graft.convert.export;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import ai.onnxruntime.OnnxTensor;
import ai.onnxruntime.OrtEnvironment;

import graft.runtime.GraftSession;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;

/** All tasks of one session run from eight threads at once, beside graphs of their own. */
final class EightThreads {
    private static final int THREADS = 8;
    private static final int RUNS = 60;

    private EightThreads() {}

    /**
     * Fails where a task's output is not that of its graph.
     *
     * @param shapes of inputs, rows and width
     * @param tolerance relative to the largest output
     */
    static void compare(
            GraftSession shared, GraftSession graphs, List<int[]> shapes, float tolerance)
            throws Exception {
        List<String> tasks = shared.tasks();
        assertThat(graphs.tasks()).isEqualTo(tasks);
        List<Map<String, OnnxTensor>> inputs = new ArrayList<>();
        for (int[] shape : shapes) {
            inputs.add(inputs(shared, shape[0], shape[1]));
        }
        Map<String, List<float[][]>> expected = new HashMap<>();
        for (String task : tasks) {
            List<float[][]> outputs = new ArrayList<>();
            for (Map<String, OnnxTensor> each : inputs) {
                outputs.add(run(graphs, task, each));
            }
            expected.put(task, outputs);
        }
        assertThat(expected.values().stream().map(o -> Arrays.deepToString(o.getLast())).distinct())
                .hasSize(tasks.size());
        var start = new CountDownLatch(1);
        List<Future<Integer>> futures = new ArrayList<>();
        try (var pool = Executors.newFixedThreadPool(THREADS)) {
            for (int thread = 0; thread < THREADS; thread++) {
                int first = thread;
                futures.add(
                        pool.submit(() -> {
                            start.await();
                            int runs = 0;
                            for (; runs < RUNS; runs++) { // neighbours run other tasks and shapes
                                String task = tasks.get((first + runs) % tasks.size());
                                int shape = (first + runs / 4) % shapes.size();
                                assertClose(
                                        task,
                                        run(shared, task, inputs.get(shape)),
                                        Objects.requireNonNull(expected.get(task)).get(shape),
                                        tolerance);
                            }
                            return runs;
                        }));
            }
            start.countDown();
            int runs = 0;
            for (Future<Integer> future : futures) {
                runs += future.get();
            }
            assertThat(runs).isEqualTo(THREADS * RUNS);
        }
        assertThat(shared.session(tasks.getFirst())).isSameAs(shared.session(tasks.getLast()));
        inputs.forEach(each -> each.values().forEach(OnnxTensor::close));
    }

    /** Token ids of zero and one, masks with padding. */
    static Map<String, OnnxTensor> inputs(GraftSession session, int rows, int width)
            throws Exception {
        Map<String, OnnxTensor> inputs = new HashMap<>();
        for (String name : session.session(session.tasks().getFirst()).getInputNames()) {
            long[][] values = new long[rows][width];
            for (int i = 0; i < rows; i++) {
                for (int j = 0; j < width; j++) {
                    values[i][j] = name.contains("mask") ? (j < width - i ? 1 : 0) : (i + j) % 2;
                }
            }
            inputs.put(name, OnnxTensor.createTensor(OrtEnvironment.getEnvironment(), values));
        }
        return inputs;
    }

    /** The first output of a task. */
    static float[][] run(GraftSession session, String task, Map<String, OnnxTensor> inputs)
            throws Exception {
        try (var result = session.run(task, inputs)) {
            return (float[][]) result.get(0).getValue();
        }
    }

    private static void assertClose(
            String task, float[][] found, float[][] right, float tolerance) {
        float largest = 0;
        for (float[] row : right) {
            for (float value : row) {
                largest = Math.max(largest, Math.abs(value));
            }
        }
        assertThat(found).as(task).hasDimensions(right.length, right[0].length);
        for (int row = 0; row < right.length; row++) {
            assertThat(found[row])
                    .as(task)
                    .containsExactly(right[row], within(tolerance * largest));
        }
    }
}
