package graft.convert.job;

import ai.onnxruntime.OnnxTensor;
import ai.onnxruntime.OrtEnvironment;
import ai.onnxruntime.OrtException;
import ai.onnxruntime.OrtSession;

import graft.runtime.GraftSession;
import graft.runtime.SessionSettings;

import java.io.IOException;
import java.nio.LongBuffer;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;

/** Counts right answers of a classifier, a task of an exported folder, in ONNX Runtime. */
final class Score {
    private static final int BATCH = 50;

    /** Tasks are scored beside each other. */
    private static final SessionSettings ONE_THREAD = SessionSettings.DEFAULT.withThreads(1);

    private Score() {}

    /** How many rows get their label as the largest logit; the first of equal logits counts. */
    static int correct(Path folder, String task, EvaluationRows rows) throws IOException {
        int correct = 0;
        try (var session = GraftSession.open(folder, ONE_THREAD)) {
            for (int from = 0; from < rows.rows(); from += BATCH) {
                int to = Math.min(rows.rows(), from + BATCH);
                float[][] logits = logits(session, task, rows, from, to);
                for (int i = from; i < to; i++) {
                    correct += argmax(logits[i - from]) == rows.labels()[i] ? 1 : 0;
                }
            }
        }
        return correct;
    }

    /** Whether a task gives the same logits in two folders on the first rows, bit for bit. */
    static boolean isSame(
            Path left, String leftTask, Path right, String rightTask, EvaluationRows rows)
            throws IOException {
        int count = Math.min(BATCH, rows.rows());
        try (var one = GraftSession.open(left, ONE_THREAD);
                var other = GraftSession.open(right, ONE_THREAD)) {
            float[][] a = logits(one, leftTask, rows, 0, count);
            float[][] b = logits(other, rightTask, rows, 0, count);
            return Arrays.deepEquals(a, b);
        }
    }

    private static float[][] logits(
            GraftSession session, String task, EvaluationRows rows, int from, int to)
            throws IOException {
        Map<String, OnnxTensor> inputs = new HashMap<>();
        try {
            for (String name : session.session(task).getInputNames()) {
                if (!rows.inputs().containsKey(name)) {
                    throw new IOException("%s: wants an input %s".formatted(task, name));
                }
                inputs.put(
                        name,
                        OnnxTensor.createTensor(
                                OrtEnvironment.getEnvironment(),
                                LongBuffer.wrap(rows.slice(name, from, to)),
                                new long[] {to - from, rows.width()}));
            }
            try (OrtSession.Result result = session.run(task, inputs)) {
                return (float[][]) result.get(0).getValue();
            }
        } catch (OrtException e) {
            throw new IOException(task + ": ONNX Runtime: " + e.getMessage(), e);
        } catch (ClassCastException e) {
            throw new IOException(task + ": its first output is no matrix of float32", e);
        } finally {
            inputs.values().forEach(OnnxTensor::close);
        }
    }

    private static int argmax(float[] values) {
        int best = 0;
        for (int i = 1; i < values.length; i++) {
            if (values[i] > values[best]) {
                best = i;
            }
        }
        return best;
    }
}
