package graft.convert.merge;

import graft.convert.linalg.Kernel;
import graft.convert.linalg.Matrix;
import graft.convert.linalg.Scratch;
import graft.formats.tensor.TensorSink;

import java.io.IOException;
import java.nio.DoubleBuffer;
import java.util.ArrayList;
import java.util.List;

/**
 * TSV-Merge of one matrix (arXiv 2412.00081): of each of T task vectors the leading 1/T of its
 * singular triples; all left vectors side by side are replaced by the nearest orthonormal ones
 * (Procrustes), all right ones likewise, so that tasks do not add up where their directions
 * overlap; then U⊥ Σ V⊥ᵀ, singular values times the task's weight.
 *
 * <p>Triples come from Gram matrices of the shorter side, the nearest orthonormal U⊥ is U (UᵀU)^-½.
 * Directions that are none, with singular values below {@value #NOISE} of the task's largest or in
 * the span of the others, are left out: a decomposition would fill them with arbitrary ones. Three
 * streaming passes; state is O(n²) for n the shorter side. One use, one thread.
 */
final class SingularMerge {
    static final double NOISE = 1e-6;

    private static final double SPANNED = 1e-10;
    private static final int PANEL = 512;

    private final Kernel kernel;
    private final MergeItem item;
    private final MergeOptions options;

    SingularMerge(Kernel kernel, MergeItem item, MergeOptions options) {
        this.kernel = kernel;
        this.item = item;
        this.options = options;
    }

    /** Of one task: right singular vectors as columns, and singular values. */
    private record Triples(Matrix right, double[] sigma) {}

    void run(TensorSink out) throws IOException {
        long[] extents = item.info().shape().toArray();
        try (var panels = new Panels(item, extents[0] < extents[1], PANEL);
                var scratch = new Scratch()) {
            int n = panels.columns();
            int tasks = item.pairs().size();
            Matrix panel = scratch.matrix(Math.min(PANEL, panels.rows()), n);
            Matrix gram = scratch.matrix(n, n);
            List<Triples> triples = new ArrayList<>();
            for (int m = 0; m < tasks; m++) {
                triples.add(triples(panels, m, Math.max(1, n / tasks), panel, gram, scratch));
            }
            int k = triples.stream().mapToInt(task -> task.sigma.length).sum();
            if (k == 0) {
                panel.clear();
                each(panels, (first, count) -> panels.store(first, count, panel, out));
                return;
            }
            Matrix left = scratch.matrix(panel.rows(), k);
            Matrix overlap = scratch.matrix(k, k);
            each(
                    panels,
                    (first, count) -> {
                        left(panels, triples, first, count, panel, left);
                        kernel.addGramOfColumns(left, count, overlap);
                    });
            Matrix core = core(triples, overlap, n, scratch);
            each(
                    panels,
                    (first, count) -> {
                        left(panels, triples, first, count, panel, left);
                        kernel.multiply(false, false, count, n, k, left, core, 0, panel);
                        panels.store(first, count, panel, out);
                    });
        }
    }

    @FunctionalInterface
    private interface Step {
        void run(int first, int count) throws IOException;
    }

    private static void each(Panels panels, Step step) throws IOException {
        for (int first = 0; first < panels.rows(); first += PANEL) {
            step.run(first, Math.min(PANEL, panels.rows() - first));
        }
    }

    private Triples triples(
            Panels panels, int m, int most, Matrix panel, Matrix gram, Scratch scratch)
            throws IOException {
        gram.clear();
        each(
                panels,
                (first, count) -> {
                    panels.load(m, first, count, panel);
                    kernel.addGramOfColumns(panel, count, gram);
                });
        Kernel.mirror(gram);
        double[] squares = kernel.eigenvectors(gram);
        int n = squares.length;
        double least = NOISE * Math.sqrt(Math.max(0, squares[n - 1]));
        int kept = 0;
        while (kept < most && Math.sqrt(Math.max(0, squares[n - 1 - kept])) > least) {
            kept++;
        }
        double[] sigma = new double[kept];
        Matrix right = scratch.matrix(n, Math.max(1, kept));
        for (int j = 0; j < kept; j++) {
            sigma[j] = Math.sqrt(squares[n - 1 - j]);
            for (int i = 0; i < n; i++) {
                right.set(i, j, gram.get(i, n - 1 - j));
            }
        }
        return new Triples(right, sigma);
    }

    /** U = v V Σ⁻¹ of all tasks side by side, some rows of it. */
    private void left(
            Panels panels, List<Triples> triples, int first, int count, Matrix panel, Matrix left)
            throws IOException {
        int at = 0;
        int k = left.columns();
        DoubleBuffer into = left.values();
        try (var scratch = new Scratch()) {
            for (int m = 0; m < triples.size(); m++) {
                double[] sigma = triples.get(m).sigma;
                if (sigma.length > 0) {
                    panels.load(m, first, count, panel);
                    Matrix own = scratch.matrix(count, sigma.length);
                    int n = panel.columns();
                    Matrix right = triples.get(m).right;
                    kernel.multiply(false, false, count, sigma.length, n, panel, right, 0, own);
                    for (int i = 0; i < count; i++) {
                        for (int j = 0; j < sigma.length; j++) {
                            into.put(i * k + at + j, own.get(i, j) / sigma[j]);
                        }
                    }
                    at += sigma.length;
                }
            }
        }
    }

    /** (UᵀU)^-½ Σ (VᵀV)^-½ Vᵀ. */
    private Matrix core(List<Triples> triples, Matrix overlap, int n, Scratch scratch) {
        int k = overlap.rows();
        Matrix right = scratch.matrix(n, k);
        double[] sigma = new double[k];
        int at = 0;
        for (int m = 0; m < triples.size(); m++) {
            Triples task = triples.get(m);
            double weight = options.weightOf(m, item.info().name());
            for (int j = 0; j < task.sigma.length; j++) {
                sigma[at] = weight * task.sigma[j];
                for (int i = 0; i < n; i++) {
                    right.set(i, at, task.right.get(i, j));
                }
                at++;
            }
        }
        Matrix spare = scratch.matrix(k, k);
        Kernel.mirror(overlap);
        Matrix leftRoot = inverseRoot(overlap, scratch);
        kernel.addGramOfColumns(right, n, spare);
        Kernel.mirror(spare);
        Matrix rightRoot = inverseRoot(spare, scratch);
        for (int i = 0; i < k; i++) {
            for (int j = 0; j < k; j++) {
                leftRoot.set(i, j, leftRoot.get(i, j) * sigma[j]);
            }
        }
        kernel.multiply(false, false, k, k, k, leftRoot, rightRoot, 0, spare);
        Matrix core = scratch.matrix(k, n);
        kernel.multiply(false, true, k, n, k, spare, right, 0, core);
        return core;
    }

    /** g^-½ on the space that g spans; g is destroyed. */
    private Matrix inverseRoot(Matrix g, Scratch scratch) {
        double[] values = kernel.eigenvectors(g);
        int k = values.length;
        for (int j = 0; j < k; j++) {
            boolean spanned = values[j] > SPANNED * values[k - 1];
            double factor = spanned ? Math.pow(values[j], -0.25) : 0;
            for (int i = 0; i < k; i++) {
                g.set(i, j, g.get(i, j) * factor);
            }
        }
        Matrix root = scratch.matrix(k, k);
        kernel.multiply(false, true, k, k, k, g, g, 0, root);
        return root;
    }
}
