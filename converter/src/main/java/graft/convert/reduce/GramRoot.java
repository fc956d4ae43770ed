package graft.convert.reduce;

import graft.convert.linalg.Kernel;
import graft.convert.linalg.Matrix;
import graft.convert.linalg.Scratch;

/**
 * A factor F with {@code G = F·Fᵀ} of a Gram matrix.
 *
 * <p>G is first scaled to unit diagonal: a tiny column of B may meet a huge row of A, and must not
 * drown in the others before it does. Then Cholesky, or, where the scaled matrix is close to
 * singular, eigenvectors, which a Cholesky factor of noise would spoil.
 */
final class GramRoot {
    /** Squared ratio of Cholesky pivots, a lower bound of the span of eigenvalues. */
    private static final double WIDEST_SPAN = 1e6;

    private GramRoot() {}

    /**
     * @param gram symmetric in its upper triangle; destroyed
     */
    static Matrix of(Kernel kernel, Matrix gram, Scratch scratch) {
        int n = gram.rows();
        Kernel.mirror(gram);
        double[] length = new double[n];
        for (int i = 0; i < n; i++) {
            double square = gram.get(i, i);
            if (!Double.isFinite(square)) {
                throw new ArithmeticException("not a finite number");
            }
            length[i] = square > 0 ? Math.sqrt(square) : 1;
        }
        for (int i = 0; i < n; i++) {
            for (int j = 0; j < n; j++) {
                gram.set(i, j, gram.get(i, j) / length[i] / length[j]);
            }
        }
        Matrix root = scratch.matrix(n, n);
        root.fill(gram.toArray());
        if (!kernel.cholesky(root) || isWide(root)) {
            root.fill(gram.toArray());
            scaleColumns(root, kernel.eigenvectors(root));
        }
        for (int i = 0; i < n; i++) {
            for (int j = 0; j < n; j++) {
                root.set(i, j, root.get(i, j) * length[i]);
            }
        }
        return root;
    }

    private static boolean isWide(Matrix triangle) {
        double least = Double.POSITIVE_INFINITY;
        double most = 0;
        for (int i = 0; i < triangle.rows(); i++) {
            least = Math.min(least, triangle.get(i, i));
            most = Math.max(most, triangle.get(i, i));
        }
        return !(most * most <= WIDEST_SPAN * least * least);
    }

    /** V·√Λ; an eigenvalue below zero is rounding. */
    private static void scaleColumns(Matrix vectors, double[] values) {
        for (int j = 0; j < vectors.columns(); j++) {
            double root = Math.sqrt(Math.max(0, values[j]));
            for (int i = 0; i < vectors.rows(); i++) {
                vectors.set(i, j, vectors.get(i, j) * root);
            }
        }
    }
}
