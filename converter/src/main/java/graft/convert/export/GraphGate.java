package graft.convert.export;

import ai.onnxruntime.OnnxTensor;

import graft.runtime.SessionSettings;

import java.io.IOException;
import java.nio.file.Path;
import java.util.Map;
import java.util.Optional;

/**
 * One check of a written graph: it runs on made-up inputs of two shapes beside another graph, and
 * what both compute relates as it must.
 *
 * @param task whose graph it is
 * @param graph that was written
 * @param adapter to put in its slots
 * @param reference to compare with
 * @param expect how the two relate
 * @param sizes see {@link ProbeInputs}
 */
record GraphGate(
        String task,
        Path graph,
        Optional<Path> adapter,
        Path reference,
        Expect expect,
        Map<String, Integer> sizes) {
    private static final int[][] BATCHES = {{1, 7}, {3, 16}};

    /** How the outputs of two graphs relate. */
    enum Expect {
        /** The same model in another form: equal bit for bit. */
        SAME,
        /**
         * The same weights: equal bit for bit as long as neither graph is optimized. Optimized, a
         * weight that is an input goes to other kernels than one that is a constant.
         */
        WEIGHTS,
        /**
         * The same model, with sums in another order: float32 products of a few thousand terms,
         * layer after layer.
         */
        CLOSE,
        /** The same model with factors or weights rounded to 16 bits, bfloat16 to 8. */
        ROUGHLY,
        /** Another model: differing, or the export did nothing. */
        DIFFERENT
    }

    /**
     * What was found.
     *
     * @param maxDifference largest distance of two outputs; infinite if they differ in size or one
     *     is not finite
     * @param largest magnitude of the reference's outputs
     */
    record Outcome(double maxDifference, double largest) {
        /** Relative to the largest output. */
        double relative() {
            return maxDifference == 0 ? 0 : maxDifference / largest;
        }
    }

    boolean holds(Outcome outcome) {
        return switch (expect) {
            case SAME, WEIGHTS -> outcome.maxDifference() == 0;
            case CLOSE -> outcome.relative() <= 1e-4;
            case ROUGHLY -> outcome.relative() <= 5e-2;
            case DIFFERENT -> outcome.maxDifference() > 0;
        };
    }

    Outcome run() throws IOException {
        double difference = 0;
        double largest = 0;
        SessionSettings settings =
                expect == Expect.WEIGHTS ? GraphRun.ONE_THREAD.unoptimized() : GraphRun.ONE_THREAD;
        try (var one = GraphRun.open(graph, adapter, settings);
                var two = GraphRun.open(reference, Optional.empty(), settings)) {
            for (int[] batch : BATCHES) {
                Map<String, OnnxTensor> feeds =
                        new ProbeInputs(batch[0], batch[1], sizes).of(one.inputs());
                try {
                    Outcome outcome = compare(one.run(feeds), two.run(feeds));
                    difference = Math.max(difference, outcome.maxDifference());
                    largest = Math.max(largest, outcome.largest());
                } finally {
                    feeds.values().forEach(OnnxTensor::close);
                }
            }
        }
        return new Outcome(difference, largest);
    }

    private static Outcome compare(Map<String, float[]> found, Map<String, float[]> expected) {
        double difference = found.keySet().equals(expected.keySet()) ? 0 : Double.POSITIVE_INFINITY;
        double largest = 0;
        for (var entry : expected.entrySet()) {
            float[] right = entry.getValue();
            float[] left = found.get(entry.getKey());
            if (left == null || left.length != right.length) {
                difference = Double.POSITIVE_INFINITY;
                continue;
            }
            for (int i = 0; i < right.length; i++) {
                double apart = Math.abs((double) left[i] - right[i]);
                boolean same = Float.floatToIntBits(left[i]) == Float.floatToIntBits(right[i]);
                double counted = Double.isNaN(apart) ? Double.POSITIVE_INFINITY : apart;
                difference = Math.max(difference, same ? 0 : counted);
                largest = Math.max(largest, Math.abs(right[i]));
            }
        }
        return new Outcome(difference, largest);
    }

    /** What a failure means, and what to do. */
    String failure(Outcome outcome) {
        return switch (expect) {
            case SAME, WEIGHTS, CLOSE, ROUGHLY ->
                    "differs from the dense form of the same model by %.3g of its largest output"
                            .formatted(outcome.relative());
            case DIFFERENT -> "computes exactly what the base does";
        };
    }

    /** What a success means, for people. */
    String success(Outcome outcome) {
        return switch (expect) {
            case SAME -> "equals the dense model bit for bit";
            case WEIGHTS -> "equals the dense model bit for bit where neither is optimized";
            case CLOSE, ROUGHLY ->
                    "equals the dense model to %.1e of its largest output"
                            .formatted(outcome.relative());
            case DIFFERENT -> "runs, and differs from the base";
        };
    }
}
