package graft.convert.linalg;

import org.ejml.data.DMatrixRMaj;
import org.ejml.dense.row.factory.DecompositionFactory_DDRM;
import org.ejml.interfaces.decomposition.CholeskyDecomposition_F64;
import org.ejml.interfaces.decomposition.EigenDecomposition_F64;
import org.ejml.interfaces.decomposition.SingularValueDecomposition_F64;

import java.util.Arrays;
import java.util.Comparator;

/** Pure Java: plain loops for sums and products, EJML for decompositions. */
final class EjmlKernel implements Kernel {
    @Override
    public String name() {
        return "ejml";
    }

    @Override
    public void addGramOfColumns(Matrix x, int rows, Matrix gram) {
        int n = x.columns();
        double[] sums = gram.toArray();
        double[] row = new double[n];
        for (int k = 0; k < rows; k++) {
            x.values().get(k * n, row);
            for (int i = 0; i < n; i++) {
                double factor = row[i];
                for (int j = i; j < n; j++) {
                    sums[i * n + j] += factor * row[j];
                }
            }
        }
        gram.fill(sums);
    }

    @Override
    public void addGramOfRows(Matrix x, int columns, Matrix gram) {
        int n = x.rows();
        double[] values = x.toArray();
        double[] sums = gram.toArray();
        for (int i = 0; i < n; i++) {
            for (int j = i; j < n; j++) {
                sums[i * n + j] += dot(values, i * x.columns(), j * x.columns(), columns);
            }
        }
        gram.fill(sums);
    }

    private static double dot(double[] values, int a, int b, int count) {
        double sum0 = 0;
        double sum1 = 0;
        int i = 0;
        for (; i + 1 < count; i += 2) { // two chains: one alone waits for each addition
            sum0 += values[a + i] * values[b + i];
            sum1 += values[a + i + 1] * values[b + i + 1];
        }
        return i < count ? sum0 + sum1 + values[a + i] * values[b + i] : sum0 + sum1;
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
        double[] left = a.toArray();
        double[] right = transposeB ? transposed(b) : b.toArray();
        int rightStride = transposeB ? b.rows() : b.columns();
        double[] result = into.toArray();
        for (int i = 0; i < m; i++) {
            int row = i * into.columns();
            for (int j = 0; j < n; j++) {
                result[row + j] = factor == 0 ? 0 : factor * result[row + j];
            }
            for (int l = 0; l < k; l++) {
                double x = left[transposeA ? l * a.columns() + i : i * a.columns() + l];
                int other = l * rightStride;
                for (int j = 0; j < n; j++) {
                    result[row + j] += x * right[other + j];
                }
            }
        }
        into.fill(result);
    }

    @Override
    public void multiply(
            boolean transposeA,
            boolean transposeB,
            FloatMatrix a,
            FloatMatrix b,
            float factor,
            FloatMatrix into) {
        int m = into.rows();
        int n = into.columns();
        int length = transposeA ? a.rows() : a.columns();
        float[] left = floats(a);
        float[] right = floats(b);
        float[] row = new float[n];
        for (int i = 0; i < m; i++) {
            into.values().get(i * n, row);
            for (int j = 0; j < n; j++) {
                row[j] = factor == 0 ? 0 : factor * row[j];
            }
            if (transposeB) {
                for (int j = 0; j < n; j++) {
                    row[j] += dot(left, transposeA, i, a.columns(), right, j * length, length);
                }
            } else {
                for (int l = 0; l < length; l++) {
                    float x = left[transposeA ? l * a.columns() + i : i * length + l];
                    for (int j = 0; j < n; j++) {
                        row[j] += x * right[l * n + j];
                    }
                }
            }
            into.values().put(i * n, row);
        }
    }

    private static float[] floats(FloatMatrix matrix) {
        float[] copy = new float[matrix.rows() * matrix.columns()];
        matrix.values().get(0, copy);
        return copy;
    }

    /** Row (or column) {@code i} of {@code left} times {@code length} elements of {@code right}. */
    private static float dot(
            float[] left, boolean column, int i, int stride, float[] right, int at, int length) {
        int from = column ? i : i * stride;
        int step = column ? stride : 1;
        float sum0 = 0;
        float sum1 = 0;
        float sum2 = 0;
        float sum3 = 0;
        int l = 0;
        for (; l + 3 < length; l += 4) { // four chains: one alone waits for each addition
            sum0 += left[from + l * step] * right[at + l];
            sum1 += left[from + (l + 1) * step] * right[at + l + 1];
            sum2 += left[from + (l + 2) * step] * right[at + l + 2];
            sum3 += left[from + (l + 3) * step] * right[at + l + 3];
        }
        for (; l < length; l++) {
            sum0 += left[from + l * step] * right[at + l];
        }
        return sum0 + sum1 + (sum2 + sum3);
    }

    private static double[] transposed(Matrix matrix) {
        double[] result = new double[matrix.rows() * matrix.columns()];
        for (int i = 0; i < matrix.rows(); i++) {
            for (int j = 0; j < matrix.columns(); j++) {
                result[j * matrix.rows() + i] = matrix.get(i, j);
            }
        }
        return result;
    }

    @Override
    public boolean cholesky(Matrix g) {
        CholeskyDecomposition_F64<DMatrixRMaj> decomposition =
                DecompositionFactory_DDRM.chol(g.rows(), true);
        if (!decomposition.decompose(ejml(g))) {
            return false;
        }
        g.fill(decomposition.getT(null).getData());
        return true;
    }

    @Override
    public double[] eigenvectors(Matrix g) {
        int n = g.rows();
        EigenDecomposition_F64<DMatrixRMaj> decomposition =
                DecompositionFactory_DDRM.eig(n, true, true);
        if (!decomposition.decompose(ejml(g))) {
            throw new ArithmeticException("the eigenvalue iteration did not converge");
        }
        Integer[] order = new Integer[n];
        for (int i = 0; i < n; i++) {
            order[i] = i;
        }
        Arrays.sort(
                order, Comparator.comparingDouble(i -> decomposition.getEigenvalue(i).getReal()));
        double[] values = new double[n];
        for (int j = 0; j < n; j++) {
            values[j] = decomposition.getEigenvalue(order[j]).getReal();
            DMatrixRMaj vector = decomposition.getEigenVector(order[j]);
            for (int i = 0; i < n; i++) {
                g.set(i, j, vector.get(i));
            }
        }
        return values;
    }

    @Override
    public void upperTriangle(Matrix x, int rows) {
        int n = x.columns();
        double[] values = new double[rows * n];
        x.values().get(0, values);
        for (int k = 0; k < n; k++) {
            reflect(values, rows, n, k); // EJML's own refuses a singular matrix
        }
        for (int i = 0; i < n; i++) {
            Arrays.fill(values, i * n, i * n + i, 0);
        }
        x.values().put(0, values, 0, n * n);
    }

    /** A Householder reflection that clears column {@code k} below the diagonal. */
    private static void reflect(double[] values, int rows, int n, int k) {
        double square = 0;
        for (int i = k; i < rows; i++) {
            square += values[i * n + k] * values[i * n + k];
        }
        if (square == 0) {
            return;
        }
        double pivot = values[k * n + k];
        double length = pivot > 0 ? -Math.sqrt(square) : Math.sqrt(square);
        double head = pivot - length; // v = x − length·e₁, vᵀv = −2·length·head
        for (int j = k + 1; j < n; j++) {
            double dot = head * values[k * n + j];
            for (int i = k + 1; i < rows; i++) {
                dot += values[i * n + k] * values[i * n + j];
            }
            double factor = dot / (length * head);
            values[k * n + j] += factor * head;
            for (int i = k + 1; i < rows; i++) {
                values[i * n + j] += factor * values[i * n + k];
            }
        }
        values[k * n + k] = length;
    }

    @Override
    public double[] svd(Matrix c, Matrix u, Matrix vt) {
        int n = c.rows();
        SingularValueDecomposition_F64<DMatrixRMaj> decomposition =
                DecompositionFactory_DDRM.svd(n, n, true, true, false);
        if (!decomposition.decompose(ejml(c))) {
            throw new ArithmeticException("the SVD iteration did not converge");
        }
        DMatrixRMaj left = decomposition.getU(null, false);
        DMatrixRMaj right = decomposition.getV(null, true);
        double[] raw = decomposition.getSingularValues();
        Integer[] order = new Integer[n];
        for (int i = 0; i < n; i++) {
            order[i] = i;
        }
        Arrays.sort(order, (i, j) -> Double.compare(raw[j], raw[i]));
        double[] sigma = new double[n];
        for (int j = 0; j < n; j++) {
            sigma[j] = raw[order[j]];
            for (int i = 0; i < n; i++) {
                u.set(i, j, left.get(i, order[j]));
                vt.set(j, i, right.get(order[j], i));
            }
        }
        return sigma;
    }

    private static DMatrixRMaj ejml(Matrix matrix) {
        return new DMatrixRMaj(matrix.rows(), matrix.columns(), true, matrix.toArray());
    }
}
