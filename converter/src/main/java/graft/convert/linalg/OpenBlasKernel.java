package graft.convert.linalg;

import org.bytedeco.javacpp.Loader;
import org.bytedeco.openblas.global.openblas;
import org.bytedeco.openblas.presets.openblas_nolapack;

import java.nio.DoubleBuffer;
import java.util.Arrays;

/**
 * OpenBLAS through JavaCPP, on direct buffers: its array overloads would copy. Set to one thread
 * per call, process-wide.
 */
final class OpenBlasKernel implements Kernel {
    private static final int ROWS = openblas.CblasRowMajor;
    private static final int LAPACK_ROWS = openblas.LAPACK_ROW_MAJOR;

    /**
     * @throws LinkageError if there is no library for this machine
     */
    OpenBlasKernel() {
        Loader.load(openblas.class);
        openblas_nolapack.blas_set_num_threads(1);
    }

    @Override
    public String name() {
        return "openblas";
    }

    @Override
    public void addGramOfColumns(Matrix x, int rows, Matrix gram) {
        addGram(openblas.CblasTrans, rows, x, gram);
    }

    @Override
    public void addGramOfRows(Matrix x, int columns, Matrix gram) {
        addGram(openblas.CblasNoTrans, columns, x, gram);
    }

    private static void addGram(int transpose, int length, Matrix x, Matrix gram) {
        openblas.cblas_dsyrk(
                ROWS,
                openblas.CblasUpper,
                transpose,
                gram.columns(),
                length,
                1,
                x.values(),
                x.columns(),
                1,
                gram.values(),
                gram.columns());
    }

    @Override
    public void multiply(
            boolean transposeA,
            boolean transposeB,
            int m,
            int n,
            int k,
            Matrix a,
            Matrix b,
            double factor,
            Matrix into) {
        openblas.cblas_dgemm(
                ROWS,
                op(transposeA),
                op(transposeB),
                m,
                n,
                k,
                1,
                a.values(),
                a.columns(),
                b.values(),
                b.columns(),
                factor,
                into.values(),
                into.columns());
    }

    @Override
    public void multiply(
            boolean transposeA,
            boolean transposeB,
            FloatMatrix a,
            FloatMatrix b,
            float factor,
            FloatMatrix into) {
        openblas.cblas_sgemm(
                ROWS,
                op(transposeA),
                op(transposeB),
                into.rows(),
                into.columns(),
                transposeA ? a.rows() : a.columns(),
                1,
                a.values(),
                a.columns(),
                b.values(),
                b.columns(),
                factor,
                into.values(),
                into.columns());
    }

    private static int op(boolean transpose) {
        return transpose ? openblas.CblasTrans : openblas.CblasNoTrans;
    }

    @Override
    public boolean cholesky(Matrix g) {
        int n = g.rows();
        if (openblas.LAPACKE_dpotrf(LAPACK_ROWS, (byte) 'L', n, g.values(), n) != 0) {
            return false;
        }
        double[] values = g.toArray();
        for (int i = 0; i < n; i++) {
            Arrays.fill(values, i * n + i + 1, (i + 1) * n, 0);
        }
        g.fill(values);
        return true;
    }

    @Override
    public double[] eigenvectors(Matrix g) {
        int n = g.rows();
        double[] values = new double[n];
        DoubleBuffer into = direct(n);
        converged(
                openblas.LAPACKE_dsyevd(
                        LAPACK_ROWS, (byte) 'V', (byte) 'U', n, g.values(), n, into));
        into.get(0, values);
        return values;
    }

    @Override
    public void upperTriangle(Matrix x, int rows) {
        int n = x.columns();
        // read by columns the matrix is its transpose, whose LQ has L = Rᵀ: no copy by LAPACKE
        converged(
                openblas.LAPACKE_dgelqf(
                        openblas.LAPACK_COL_MAJOR, n, rows, x.values(), n, direct(n)));
        double[] zeros = new double[n];
        for (int i = 1; i < n; i++) {
            x.values().put(i * n, zeros, 0, i);
        }
    }

    @Override
    public double[] svd(Matrix c, Matrix u, Matrix vt) {
        int n = c.rows();
        double[] sigma = new double[n];
        DoubleBuffer into = direct(n);
        converged(
                openblas.LAPACKE_dgesdd(
                        LAPACK_ROWS,
                        (byte) 'A',
                        n,
                        n,
                        c.values(),
                        n,
                        into,
                        u.values(),
                        n,
                        vt.values(),
                        n));
        into.get(0, sigma);
        return sigma;
    }

    private static DoubleBuffer direct(int count) {
        return java.nio.ByteBuffer.allocateDirect(8 * count)
                .order(java.nio.ByteOrder.nativeOrder())
                .asDoubleBuffer();
    }

    private static void converged(int info) {
        if (info != 0) {
            throw new ArithmeticException("LAPACK did not converge: info " + info);
        }
    }
}
