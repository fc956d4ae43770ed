package graft.convert.lowrank;

import graft.convert.linalg.Kernel;
import graft.convert.linalg.Matrix;
import graft.convert.linalg.Scratch;

import java.nio.DoubleBuffer;

/**
 * An r×r matrix F with {@code F·Fᵀ} the Gram matrix of a factor: {@code BᵀB} or {@code AAᵀ}.
 *
 * <p>The Gram matrix, summed tile by tile, is scaled to unit diagonal (a tiny column of B may meet
 * a huge row of A, and must not drown in the others before it does) and factored by Cholesky.
 *
 * <p><b>Guard.</b> Where columns of the factor all but depend on each other, squaring them loses
 * half the digits; there a second pass finds F by Householder QR of the factor itself, tile after
 * tile, which loses none. {@code ΔW} may need them: {@code [b, b+δ]·[a; −a]} is {@code −δ·a}.
 *
 * @param matrix F
 * @param lengths of the factor's columns (B) or rows (A)
 * @param byQr whether the guard stepped in
 */
record FactorRoot(Matrix matrix, double[] lengths, boolean byQr) {
    /** Squared ratio of Cholesky pivots, a lower bound of the span of eigenvalues. */
    private static final double WIDEST_SPAN = 1e6;

    /** Of B, out×r. */
    static FactorRoot ofColumns(Kernel kernel, Operand b, Scratch scratch) {
        Matrix gram = scratch.matrix(b.columns(), b.columns());
        FactorTiles.overRows(
                b, scratch, (tile, _, rows) -> kernel.addGramOfColumns(tile, rows, gram));
        double[] lengths = scale(gram);
        if (isWellConditioned(kernel, gram)) {
            return new FactorRoot(unscaled(gram, lengths), lengths, false);
        }
        var triangle = new Triangle(kernel, b.columns(), scratch);
        FactorTiles.overRows(b, scratch, (tile, _, rows) -> triangle.addRows(tile, rows));
        return new FactorRoot(triangle.transposed(scratch), lengths, true);
    }

    /** Of A, r×in. */
    static FactorRoot ofRows(Kernel kernel, Operand a, Scratch scratch) {
        Matrix gram = scratch.matrix(a.rows(), a.rows());
        FactorTiles.overColumns(
                a, scratch, (tile, _, columns) -> kernel.addGramOfRows(tile, columns, gram));
        double[] lengths = scale(gram);
        if (isWellConditioned(kernel, gram)) {
            return new FactorRoot(unscaled(gram, lengths), lengths, false);
        }
        var triangle = new Triangle(kernel, a.rows(), scratch);
        FactorTiles.overColumns(
                a, scratch, (tile, _, columns) -> triangle.addColumns(tile, columns));
        return new FactorRoot(triangle.transposed(scratch), lengths, true);
    }

    /** Brings the diagonal to 1, or leaves it 0, and returns its square root. */
    private static double[] scale(Matrix gram) {
        int n = gram.rows();
        double[] values = gram.toArray();
        double[] lengths = new double[n];
        for (int i = 0; i < n; i++) {
            lengths[i] = Math.sqrt(values[i * n + i]);
            if (!Double.isFinite(lengths[i])) {
                throw new ArithmeticException("not a finite number");
            }
        }
        for (int i = 0; i < n; i++) {
            for (int j = i; j < n; j++) {
                double by = lengths[i] * lengths[j];
                double scaled = by > 0 ? values[i * n + j] / lengths[i] / lengths[j] : 0;
                values[i * n + j] = scaled;
                values[j * n + i] = scaled;
            }
        }
        gram.fill(values);
        return lengths;
    }

    /** Replaces the scaled matrix by its Cholesky factor, if that is worth having. */
    private static boolean isWellConditioned(Kernel kernel, Matrix gram) {
        if (!kernel.cholesky(gram)) {
            return false;
        }
        double least = Double.POSITIVE_INFINITY;
        double most = 0;
        for (int i = 0; i < gram.rows(); i++) {
            least = Math.min(least, gram.get(i, i));
            most = Math.max(most, gram.get(i, i));
        }
        return most * most <= WIDEST_SPAN * least * least;
    }

    private static Matrix unscaled(Matrix triangle, double[] lengths) {
        int n = triangle.columns();
        double[] values = triangle.toArray();
        for (int i = 0; i < n; i++) {
            scale(values, i * n, n, lengths[i]);
        }
        triangle.fill(values);
        return triangle;
    }

    private static void scale(double[] values, int first, int count, double by) {
        for (int i = first; i < first + count; i++) {
            values[i] *= by;
        }
    }

    /** R of a long matrix, a few rows at a time: QR of R above the next rows gives the next R. */
    private static final class Triangle {
        private final Kernel kernel;
        private final int n;
        private final Matrix stacked;

        Triangle(Kernel kernel, int n, Scratch scratch) {
            this.kernel = kernel;
            this.n = n;
            this.stacked = scratch.matrix(3 * n, n);
        }

        void addRows(Matrix tile, int rows) {
            for (int first = 0; first < rows; first += 2 * n) {
                int count = Math.min(2 * n, rows - first);
                stacked.values().put(n * n, tile.values(), first * n, count * n);
                kernel.upperTriangle(stacked, n + count);
            }
        }

        void addColumns(Matrix tile, int columns) {
            DoubleBuffer from = tile.values();
            for (int first = 0; first < columns; first += 2 * n) {
                int count = Math.min(2 * n, columns - first);
                for (int j = 0; j < count; j++) {
                    for (int i = 0; i < n; i++) {
                        stacked.set(n + j, i, from.get(i * tile.columns() + first + j));
                    }
                }
                kernel.upperTriangle(stacked, n + count);
            }
        }

        Matrix transposed(Scratch scratch) {
            Matrix root = scratch.matrix(n, n);
            for (int i = 0; i < n; i++) {
                for (int j = 0; j < n; j++) {
                    root.set(j, i, stacked.get(i, j));
                }
            }
            return root;
        }
    }
}
