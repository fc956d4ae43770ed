package graft.convert.linalg;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

import java.math.BigDecimal;
import java.util.Random;

/** What every kernel promises; the oracle sums exactly. */
abstract class KernelContract {
    private static final double ULP = Math.ulp(1.0);

    abstract Kernel kernel();

    @ParameterizedTest(name = "{0}x{1}x{2}, seed {3}")
    @CsvSource({"1,1,1,1", "3,1,5,2", "17,64,33,3", "128,1,4,4", "5,7,1,5"})
    void productAgreesWithExactSums(int m, int k, int n, long seed) {
        var random = new Random(seed);
        try (var scratch = new Scratch()) {
            for (boolean ta : new boolean[] {false, true}) {
                for (boolean tb : new boolean[] {false, true}) {
                    Matrix a = uniform(scratch, random, ta ? k : m, ta ? m : k);
                    Matrix b = uniform(scratch, random, tb ? n : k, tb ? k : n);
                    Matrix c = uniform(scratch, random, m, n);
                    double[] before = c.toArray();
                    kernel().multiply(ta, tb, m, n, k, a, b, 0.5, c);
                    for (int i = 0; i < m; i++) {
                        for (int j = 0; j < n; j++) {
                            double exact = exact(a, b, ta, tb, i, j, k) + 0.5 * before[i * n + j];
                            // |values| ≤ 1, so every partial sum is at most k + 1
                            assertThat(c.get(i, j))
                                    .isCloseTo(exact, within((k + 2) * (k + 2) * ULP));
                        }
                    }
                }
            }
        }
    }

    @ParameterizedTest(name = "{0}x{1}, seed {2}")
    @CsvSource({"1,1,1", "40,3,2", "7,16,3", "129,33,4"})
    void gramMatricesAgreeWithExactSums(int rows, int columns, long seed) {
        try (var scratch = new Scratch()) {
            Matrix x = uniform(scratch, new Random(seed), rows, columns);
            Matrix byColumns = scratch.matrix(columns, columns);
            Matrix byRows = scratch.matrix(rows, rows);
            kernel().addGramOfColumns(x, rows - rows / 3, byColumns);
            kernel().addGramOfRows(x, columns - columns / 3, byRows);
            Kernel.mirror(byColumns);
            Kernel.mirror(byRows);
            assertGram(x, true, rows - rows / 3, byColumns);
            assertGram(x, false, columns - columns / 3, byRows);
        }
    }

    private static void assertGram(Matrix x, boolean columns, int length, Matrix gram) {
        for (int i = 0; i < gram.rows(); i++) {
            for (int j = 0; j < gram.rows(); j++) {
                double exact = exact(x, x, columns, !columns, i, j, length);
                assertThat(gram.get(i, j)).isCloseTo(exact, within((length + 1.0) * length * ULP));
            }
        }
    }

    @Test
    void choleskyGivesTheMatrixBackAndRefusesAnIndefiniteOne() {
        try (var scratch = new Scratch()) {
            Matrix g = spd(scratch, 20, 7);
            double[] before = g.toArray();
            assertThat(kernel().cholesky(g)).isTrue();
            for (int i = 0; i < 20; i++) {
                for (int j = 0; j < 20; j++) {
                    assertThat(i < j ? g.get(i, j) : 0.0).isZero();
                    double product = exact(g, g, false, true, i, j, 20);
                    assertThat(product).isCloseTo(before[i * 20 + j], within(20 * 60 * ULP));
                }
            }
            Matrix indefinite = scratch.matrix(2, 2);
            indefinite.fill(new double[] {1, 2, 2, 1});
            assertThat(kernel().cholesky(indefinite)).isFalse();
        }
    }

    @Test
    void eigenvectorsAreOrthonormalAndAscending() {
        int n = 12;
        try (var scratch = new Scratch()) {
            Matrix g = spd(scratch, n, 8);
            double[] before = g.toArray();
            double[] values = kernel().eigenvectors(g);
            assertThat(values).isSorted();
            for (int i = 0; i < n; i++) {
                for (int j = 0; j < n; j++) {
                    double one = exact(g, g, true, false, i, j, n);
                    assertThat(one).isCloseTo(i == j ? 1 : 0, within(n * n * 4 * ULP));
                    double sum = 0;
                    for (int l = 0; l < n; l++) {
                        sum += g.get(i, l) * values[l] * g.get(j, l);
                    }
                    assertThat(sum).isCloseTo(before[i * n + j], within(n * n * 60 * ULP));
                }
            }
        }
    }

    @ParameterizedTest(name = "{0}x{1}x{2}, seed {3}")
    @CsvSource({"1,1,1,1", "3,1,5,2", "17,64,33,3", "8,250,4,4"})
    void floatProductsAgreeWithExactSums(int m, int k, int n, long seed) {
        var random = new Random(seed);
        try (var scratch = new Scratch()) {
            for (boolean ta : new boolean[] {false, true}) {
                for (boolean tb : new boolean[] {false, true}) {
                    Matrix a = uniform(scratch, random, ta ? k : m, ta ? m : k);
                    Matrix b = uniform(scratch, random, tb ? n : k, tb ? k : n);
                    Matrix into = uniform(scratch, random, m, n);
                    FloatMatrix a32 = rounded(scratch, a);
                    FloatMatrix b32 = rounded(scratch, b);
                    FloatMatrix into32 = rounded(scratch, into);
                    kernel().multiply(ta, tb, a32, b32, 0.5f, into32);
                    for (int i = 0; i < m; i++) {
                        for (int j = 0; j < n; j++) {
                            double exact = exact(a, b, ta, tb, i, j, k) + into.get(i, j) / 2;
                            double got = into32.values().get(i * n + j);
                            assertThat(got).isCloseTo(exact, within((k + 2) * 0x1p-24 * (k + 1)));
                        }
                    }
                }
            }
        }
    }

    /** The same in float32; the source gets the rounded numbers back. */
    private static FloatMatrix rounded(Scratch scratch, Matrix source) {
        FloatMatrix floats = scratch.floats(source.rows(), source.columns());
        floats.fill(source);
        floats.copyTo(source);
        return floats;
    }

    @ParameterizedTest(name = "{0}x{1}, seed {2}")
    @CsvSource({"1,1,1", "5,5,2", "40,16,3", "65,33,4"})
    void upperTriangleHasTheGramMatrixOfItsSource(int rows, int n, long seed) {
        try (var scratch = new Scratch()) {
            Matrix x = uniform(scratch, new Random(seed), rows + 2, n); // two rows take no part
            double[][] gram = new double[n][n];
            for (int i = 0; i < n; i++) {
                for (int j = 0; j < n; j++) {
                    gram[i][j] = exact(x, x, true, false, i, j, rows);
                }
            }
            kernel().upperTriangle(x, rows);
            for (int i = 0; i < n; i++) {
                for (int j = 0; j < n; j++) {
                    assertThat(i > j ? x.get(i, j) : 0.0).isZero();
                    double product = exact(x, x, true, false, i, j, n);
                    assertThat(product).isCloseTo(gram[i][j], within(8.0 * rows * n * ULP));
                }
            }
        }
    }

    @ParameterizedTest(name = "{0}, seed {1}")
    @CsvSource({"1,1", "2,2", "16,3", "33,4"})
    void svdGivesTheMatrixBackLargestFirst(int n, long seed) {
        try (var scratch = new Scratch()) {
            Matrix c = uniform(scratch, new Random(seed), n, n);
            double[] before = c.toArray();
            Matrix u = scratch.matrix(n, n);
            Matrix vt = scratch.matrix(n, n);
            double[] sigma = kernel().svd(c, u, vt);
            for (int i = 0; i < n; i++) {
                assertThat(sigma[i]).isNotNegative();
                assertThat(i == 0 || sigma[i] <= sigma[i - 1]).isTrue();
                for (int j = 0; j < n; j++) {
                    double sum = 0;
                    for (int l = 0; l < n; l++) {
                        sum += u.get(i, l) * sigma[l] * vt.get(l, j);
                    }
                    assertThat(sum).isCloseTo(before[i * n + j], within(n * n * 20 * ULP));
                }
            }
        }
    }

    @Test
    void sameInputGivesTheSameBits() {
        try (var scratch = new Scratch()) {
            Matrix c = uniform(scratch, new Random(5), 24, 24);
            double[] values = c.toArray();
            Matrix u = scratch.matrix(24, 24);
            Matrix vt = scratch.matrix(24, 24);
            double[] first = kernel().svd(c, u, vt);
            double[] firstU = u.toArray();
            c.fill(values);
            assertThat(kernel().svd(c, u, vt)).containsExactly(first);
            assertThat(u.toArray()).containsExactly(firstU);
        }
    }

    private static Matrix uniform(Scratch scratch, Random random, int rows, int columns) {
        Matrix matrix = scratch.matrix(rows, columns);
        for (int i = 0; i < rows; i++) {
            for (int j = 0; j < columns; j++) {
                matrix.set(i, j, 2 * random.nextDouble() - 1);
            }
        }
        return matrix;
    }

    /** XXᵀ + I for a random X: well conditioned. */
    private static Matrix spd(Scratch scratch, int n, long seed) {
        Matrix x = uniform(scratch, new Random(seed), n, n);
        Matrix g = scratch.matrix(n, n);
        for (int i = 0; i < n; i++) {
            for (int j = 0; j < n; j++) {
                g.set(i, j, exact(x, x, false, true, i, j, n) + (i == j ? 1 : 0));
            }
        }
        return g;
    }

    private static double exact(
            Matrix a, Matrix b, boolean ta, boolean tb, int i, int j, int length) {
        BigDecimal sum = BigDecimal.ZERO;
        for (int l = 0; l < length; l++) {
            double x = ta ? a.get(l, i) : a.get(i, l);
            double y = tb ? b.get(j, l) : b.get(l, j);
            sum = sum.add(new BigDecimal(x).multiply(new BigDecimal(y)));
        }
        return sum.doubleValue();
    }
}
