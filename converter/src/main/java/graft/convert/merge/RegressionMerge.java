package graft.convert.merge;

import graft.convert.ConversionException;
import graft.convert.linalg.Kernel;
import graft.convert.linalg.Matrix;
import graft.convert.linalg.Scratch;
import graft.formats.FileSpot;
import graft.formats.tensor.Elements;
import graft.formats.tensor.TensorSink;

import java.io.IOException;

/**
 * RegMean of one linear layer (arXiv 2212.09849): the weights whose outputs come closest, in least
 * squares, to those of every fine-tune on its own inputs X: W = (Σ W_t G_t)(Σ G_t)⁻¹ with G_t =
 * X_tᵀX_t, off-diagonals times α. Written as v̄ + (Σ (v_t − v̄) G_t)(Σ G_t)⁺, so that directions no
 * input has get the mean.
 *
 * <p>State is three matrices as large as G. One use, one thread.
 */
final class RegressionMerge {
    private static final int PANEL = 512;
    private static final double UNSEEN = 1e-13;

    private final Kernel kernel;
    private final MergeItem item;
    private final MergeOptions options;

    RegressionMerge(Kernel kernel, MergeItem item, MergeOptions options) {
        this.kernel = kernel;
        this.item = item;
        this.options = options;
    }

    void run(TensorSink out) throws IOException {
        try (var panels = new Panels(item, item.inputsFirst(), PANEL);
                var scratch = new Scratch()) {
            int in = panels.columns();
            int tasks = item.pairs().size();
            Matrix gram = scratch.matrix(in, in);
            Matrix inverse = inverseOfSum(in, gram, scratch);
            int most = Math.min(PANEL, panels.rows());
            Matrix v = scratch.matrix(most, in);
            Matrix mean = scratch.matrix(most, in);
            Matrix sum = scratch.matrix(most, in);
            for (int first = 0; first < panels.rows(); first += PANEL) {
                int count = Math.min(PANEL, panels.rows() - first);
                mean.clear();
                for (int m = 0; m < tasks; m++) {
                    panels.load(m, first, count, v);
                    add(v, count * in, 1.0 / tasks, mean);
                }
                sum.clear();
                for (int m = 0; m < tasks; m++) {
                    panels.load(m, first, count, v);
                    add(mean, count * in, -1, v);
                    gram(m, gram);
                    kernel.multiply(false, false, count, in, in, v, gram, 1, sum);
                }
                kernel.multiply(false, false, count, in, in, sum, inverse, 1, mean);
                panels.store(first, count, mean, out);
            }
        }
    }

    private static void add(Matrix from, int count, double factor, Matrix into) {
        for (int i = 0; i < count; i++) {
            into.values().put(i, into.values().get(i) + factor * from.values().get(i));
        }
    }

    private Matrix inverseOfSum(int in, Matrix gram, Scratch scratch) throws ConversionException {
        Matrix sum = scratch.matrix(in, in);
        for (int m = 0; m < item.pairs().size(); m++) {
            gram(m, gram);
            add(gram, in * in, 1, sum);
        }
        double[] values = kernel.eigenvectors(sum);
        double least = UNSEEN * in * values[in - 1];
        for (int j = 0; j < in; j++) {
            double factor = values[j] > least ? 1 / Math.sqrt(values[j]) : 0;
            for (int i = 0; i < in; i++) {
                sum.set(i, j, sum.get(i, j) * factor);
            }
        }
        Matrix inverse = scratch.matrix(in, in);
        kernel.multiply(false, true, in, in, in, sum, sum, 0, inverse);
        return inverse;
    }

    /** G of a fine-tune, symmetric to the last bit, off-diagonals times α. */
    private void gram(int m, Matrix into) throws ConversionException {
        MergeItem.Statistic given = item.statistics().get(m);
        int in = into.rows();
        float[] row = new float[in];
        for (int i = 0; i < in; i++) {
            Elements.widen(given.info().dtype(), given.bytes(), (long) i * in, row, 0, in);
            for (int j = 0; j < in; j++) {
                into.set(i, j, row[j]);
                if (!Float.isFinite(row[j]) || i == j && row[j] < 0) {
                    throw new ConversionException.UnusableValues(
                            "statistics %d, tensor %s: element (%d, %d) is %s, which no sum of squares is"
                                    .formatted(
                                            m + 1,
                                            FileSpot.quote(given.info().name()),
                                            i,
                                            j,
                                            row[j]),
                            "give XᵀX of the inputs of each linear layer");
                }
            }
        }
        for (int i = 0; i < in; i++) {
            for (int j = 0; j < i; j++) {
                double mean = options.alpha() * (into.get(i, j) + into.get(j, i)) / 2;
                into.set(i, j, mean);
                into.set(j, i, mean);
            }
        }
    }
}
