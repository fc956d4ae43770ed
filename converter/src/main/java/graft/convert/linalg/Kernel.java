package graft.convert.linalg;

/** The few operations on which compression rests. See the package for the contract. */
public interface Kernel {
    /** What {@code --kernel} and {@code --version} call it. */
    String name();

    /**
     * {@code gram += XᵀX} for the first {@code rows} rows of {@code x}. Only the upper triangle of
     * {@code gram} is written; {@link #mirror} completes it.
     */
    void addGramOfColumns(Matrix x, int rows, Matrix gram);

    /**
     * {@code gram += XXᵀ} for the first {@code columns} columns of {@code x}. Only the upper
     * triangle of {@code gram} is written; {@link #mirror} completes it.
     */
    void addGramOfRows(Matrix x, int columns, Matrix gram);

    /**
     * {@code into = factor · into + op(a) · op(b)}, with {@code op} the transpose where asked.
     *
     * @param m rows of {@code into} that take part, from the first
     * @param n columns that take part
     * @param k length of the sums
     */
    void multiply(
            boolean transposeA,
            boolean transposeB,
            int m,
            int n,
            int k,
            Matrix a,
            Matrix b,
            double factor,
            Matrix into);

    /** {@code into = factor · into + op(a) · op(b)} in float32; every extent takes part whole. */
    void multiply(
            boolean transposeA,
            boolean transposeB,
            FloatMatrix a,
            FloatMatrix b,
            float factor,
            FloatMatrix into);

    /**
     * Replaces the symmetric {@code g} by the lower triangle {@code L} of {@code g = LLᵀ}, zeros
     * above.
     *
     * @return false if a pivot was not positive; {@code g} then holds nothing of use
     */
    boolean cholesky(Matrix g);

    /**
     * Replaces the symmetric {@code g} by its orthonormal eigenvectors, as columns.
     *
     * @return the eigenvalues, smallest first
     * @throws ArithmeticException if the iteration does not converge
     */
    double[] eigenvectors(Matrix g);

    /**
     * Replaces the first {@code columns} rows of {@code x} by the upper triangle R of {@code x =
     * QR}, zeros below it; the sign of each of R's rows is the kernel's. What lies behind is
     * destroyed.
     *
     * @param rows how many rows of {@code x} take part, from the first: at least {@code columns}
     */
    void upperTriangle(Matrix x, int rows);

    /**
     * Singular values of the square {@code c}, largest first, with {@code c = U · diag(σ) · Vt};
     * {@code c} is destroyed.
     *
     * @throws ArithmeticException if the iteration does not converge
     */
    double[] svd(Matrix c, Matrix u, Matrix vt);

    /** Copies the upper triangle of a square matrix onto the lower one. */
    static void mirror(Matrix gram) {
        int n = gram.rows();
        double[] values = gram.toArray();
        for (int i = 1; i < n; i++) {
            for (int j = 0; j < i; j++) {
                values[i * n + j] = values[j * n + i];
            }
        }
        gram.fill(values);
    }
}
