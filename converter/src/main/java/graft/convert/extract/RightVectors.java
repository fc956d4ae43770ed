package graft.convert.extract;

import graft.convert.linalg.Kernel;
import graft.convert.linalg.Matrix;
import graft.convert.linalg.Scratch;

/**
 * Orthonormal vectors of length n, as rows, that grow by blocks. Confined to one thread; lives as
 * long as its scratch.
 */
final class RightVectors {
    /** A direction shorter than this share of the longest of its block is rounding, not new. */
    private static final double SHORTEST = 1e-8;

    private final Kernel kernel;
    private final int n;
    private final Matrix vectors; // most×n
    private final Matrix overlap; // block×most
    private final Matrix gram;
    private final Matrix mixed; // block×n
    private int count;

    /**
     * @param most how many there may be
     * @param block how many are added at once, at most
     */
    RightVectors(Kernel kernel, int n, int most, int block, Scratch scratch) {
        this.kernel = kernel;
        this.n = n;
        this.vectors = scratch.matrix(most, n);
        this.overlap = scratch.matrix(block, most);
        this.gram = scratch.matrix(block, block);
        this.mixed = scratch.matrix(block, n);
    }

    /** How many there are. */
    int count() {
        return count;
    }

    /** Those from {@code first} on, {@code length} of them: a view. */
    Matrix rows(int first, int length) {
        return vectors.rows(first, length);
    }

    /**
     * Adds what is new in the first {@code length} rows of {@code candidates}, which are destroyed.
     *
     * @return how many vectors were added: fewer than {@code length} where there is nothing new, or
     *     no room
     */
    int add(Matrix candidates, int length) {
        double before = Math.sqrt(largest(candidates, length));
        if (before == 0) {
            return 0;
        }
        int rows = length;
        for (int pass = 0; pass < 2 && rows > 0; pass++) { // twice is enough (Kahan, Parlett)
            removeKnown(candidates, rows);
            rows = normalise(candidates, rows, pass == 0 ? before : 1);
        }
        rows = Math.min(rows, vectors.rows() - count);
        for (int i = 0; i < rows; i++) {
            vectors.values().put((count + i) * n, candidates.values(), i * n, n);
        }
        count += rows;
        return rows;
    }

    private static double largest(Matrix rows, int length) {
        double most = 0;
        double[] values = new double[rows.columns()];
        for (int i = 0; i < length; i++) {
            rows.values().get(i * values.length, values);
            double square = 0;
            for (double value : values) {
                square += value * value;
            }
            most = Math.max(most, square);
        }
        return most;
    }

    private void removeKnown(Matrix candidates, int length) {
        if (count == 0) {
            return;
        }
        kernel.multiply(false, true, length, count, n, candidates, vectors, 0, overlap);
        overlap.scale(-1);
        kernel.multiply(false, false, length, n, count, overlap, vectors, 1, candidates);
    }

    /** Replaces rows by an orthonormal basis of them, longest direction first. */
    private int normalise(Matrix candidates, int length, double scale) {
        gram.clear();
        Matrix part = gram.square(length);
        kernel.addGramOfRows(candidates.rows(0, length), n, part);
        Kernel.mirror(part);
        double[] values = kernel.eigenvectors(part);
        int kept = 0;
        while (kept < length
                && Math.sqrt(Math.max(0, values[length - 1 - kept])) > SHORTEST * scale) {
            kept++;
        }
        if (kept == 0) {
            return 0;
        }
        // columns of the eigenvectors, largest value first, over its root
        double[] turned = new double[kept * length];
        for (int i = 0; i < kept; i++) {
            int column = length - 1 - i;
            double root = 1 / Math.sqrt(values[column]);
            for (int j = 0; j < length; j++) {
                turned[i * length + j] = part.get(j, column) * root;
            }
        }
        Matrix turn = part; // its eigenvectors are in `turned` now
        turn.values().put(0, turned);
        kernel.multiply(false, false, kept, n, length, turn, candidates, 0, mixed);
        candidates.values().put(0, mixed.values(), 0, kept * n);
        return kept;
    }
}
