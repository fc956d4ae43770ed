package graft.convert.job;

import graft.convert.export.OrtModel;

import java.io.IOException;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;

/** Counts right answers of a classifier graph in ONNX Runtime. */
final class Score {
    private static final int BATCH = 50;

    private Score() {}

    /** How many rows get their label as the largest logit; the first of equal logits counts. */
    static int correct(Path graph, EvaluationRows rows) throws IOException {
        int correct = 0;
        try (var model = OrtModel.open(graph)) {
            for (int from = 0; from < rows.rows(); from += BATCH) {
                int to = Math.min(rows.rows(), from + BATCH);
                float[][] logits = model.run(batch(rows, from, to), to - from, rows.width());
                for (int i = from; i < to; i++) {
                    correct += argmax(logits[i - from]) == rows.labels()[i] ? 1 : 0;
                }
            }
        }
        return correct;
    }

    /** Whether two graphs give the same logits on the first rows, bit for bit. */
    static boolean isSame(Path left, Path right, EvaluationRows rows) throws IOException {
        int count = Math.min(BATCH, rows.rows());
        Map<String, long[]> batch = batch(rows, 0, count);
        try (var one = OrtModel.open(left);
                var other = OrtModel.open(right)) {
            float[][] a = one.run(batch, count, rows.width());
            float[][] b = other.run(batch, count, rows.width());
            return java.util.Arrays.deepEquals(a, b);
        }
    }

    private static Map<String, long[]> batch(EvaluationRows rows, int from, int to) {
        Map<String, long[]> inputs = new HashMap<>();
        rows.inputs().keySet().forEach(name -> inputs.put(name, rows.slice(name, from, to)));
        return inputs;
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
