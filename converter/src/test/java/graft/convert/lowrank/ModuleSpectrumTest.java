package graft.convert.lowrank;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import graft.convert.linalg.Kernel;
import graft.convert.linalg.Kernels;
import graft.formats.tensor.DType;
import graft.formats.tensor.Elements;

import org.ejml.simple.SimpleMatrix;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Random;

/** Against EJML's dense SVD of s·B·A, which shares no step with the Gram route. */
class ModuleSpectrumTest {
    private final Arena arena = Arena.ofConfined();

    @AfterEach
    void free() {
        arena.close();
    }

    @ParameterizedTest
    @EnumSource(names = {"openblas", "ejml"})
    void spectrumAndTruncationEqualTheDenseSvd(Kernels.Choice choice) {
        float[][] b = gaussian(50, 8, 1);
        float[][] a = gaussian(8, 37, 2);
        check(choice, b, a, 1.75, new int[] {1, 3, 5, 8});
    }

    @ParameterizedTest
    @EnumSource(names = {"openblas", "ejml"})
    void tinyColumnAgainstHugeRowIsNotLost(Kernels.Choice choice) {
        float[][] b = gaussian(40, 4, 3);
        float[][] a = gaussian(4, 30, 4);
        for (int i = 0; i < 40; i++) {
            b[i][2] *= 1e-12f;
        }
        for (int j = 0; j < 30; j++) {
            a[2][j] *= 1e12f;
        }
        check(choice, b, a, 1, new int[] {1, 2, 3, 4});
    }

    @ParameterizedTest
    @EnumSource(names = {"openblas", "ejml"})
    void spectrumOverFourDecadesIsExact(Kernels.Choice choice) {
        float[][] b = gaussian(64, 6, 5);
        float[][] a = gaussian(6, 64, 6);
        for (int l = 0; l < 6; l++) {
            for (int j = 0; j < 64; j++) {
                a[l][j] *= (float) Math.pow(10, -0.8 * l);
            }
        }
        check(choice, b, a, -2, new int[] {1, 2, 4, 6});
    }

    @ParameterizedTest
    @EnumSource(names = {"openblas", "ejml"})
    void repeatedDirectionsAreRankDeficiencyNotSignal(Kernels.Choice choice) {
        float[][] b = gaussian(20, 6, 7);
        float[][] a = gaussian(6, 20, 8);
        for (int j = 0; j < 20; j++) {
            a[3][j] = a[0][j];
            a[4][j] = 2 * a[1][j] - a[2][j];
            a[5][j] = 0;
        }
        var spectrum = spectrum(choice, b, a, 1);
        assertThat(spectrum.spectrum().numericalRank()).isEqualTo(3);
        assertThat(new RankRule.Energy(1).choose(spectrum.spectrum())).isEqualTo(3);
        var reduced = reduce(spectrum, 3, DType.F32, 20, 20);
        assertThat(relativeDistance(dense(b, a, 1), reduced)).isLessThan(1e-6);
    }

    @ParameterizedTest
    @EnumSource(names = {"openblas", "ejml"})
    void rankAboveTheMatrixIsDeficiencyToo(Kernels.Choice choice) {
        var spectrum = spectrum(choice, gaussian(3, 10, 9), gaussian(10, 50, 10), 1);
        assertThat(spectrum.spectrum().numericalRank()).isEqualTo(3);
        var row = spectrum(choice, gaussian(1, 2, 11), gaussian(2, 1, 12), 1);
        assertThat(row.spectrum().numericalRank()).isEqualTo(1);
    }

    @Test
    void zeroUpdateHasRankZero() {
        var spectrum = spectrum(Kernels.Choice.auto, new float[5][2], gaussian(2, 5, 13), 2);
        assertThat(spectrum.spectrum().numericalRank()).isZero();
        assertThat(spectrum.spectrum().energy()).isZero();
        assertThat(new RankRule.Fixed(4).choose(spectrum.spectrum())).isZero();
        assertThat(new RankRule.Energy(0.5).choose(spectrum.spectrum())).isZero();
    }

    @Test
    void roundingLossIsWhatADenseComparisonFinds() {
        float[][] b = gaussian(60, 8, 14);
        float[][] a = gaussian(8, 70, 15);
        var spectrum = spectrum(Kernels.Choice.auto, b, a, 0.5);
        try (var local = Arena.ofConfined()) {
            var bf16 = new float[2][][];
            Reduced reduced = reduceInto(spectrum, 5, DType.BF16, 60, 70, local, bf16);
            SimpleMatrix exact = product(reduce(spectrum, 5, DType.F32, 60, 70));
            double rounding = exact.minus(product(bf16)).normF() / dense(b, a, 0.5).normF();
            assertThat(reduced.roundingError()).isCloseTo(rounding, within(rounding * 1e-3));
            double total = dense(b, a, 0.5).minus(product(bf16)).normF() / dense(b, a, 0.5).normF();
            // orthogonal up to second order in 2⁻⁹
            assertThat(reduced.relativeError()).isCloseTo(total, within(total * 1e-4));
        }
    }

    @Test
    void notFiniteFactorsAreRefused() {
        float[][] b = gaussian(5, 2, 16);
        b[3][1] = Float.NaN;
        assertThatThrownBy(() -> spectrum(Kernels.Choice.auto, b, gaussian(2, 5, 17), 1))
                .isInstanceOf(ArithmeticException.class);
    }

    @Test
    void energyKeepsTheSmallestPrefix() {
        float[][] b = new float[4][4];
        float[][] a = new float[4][4];
        float[] sigma = {4, 2, 2, 1}; // energies 16, 4, 4, 1 of 25
        for (int i = 0; i < 4; i++) {
            b[i][i] = sigma[i];
            a[i][i] = 1;
        }
        var spectrum = spectrum(Kernels.Choice.auto, b, a, 1);
        assertThat(new RankRule.Energy(0.64).choose(spectrum.spectrum())).isEqualTo(1);
        assertThat(new RankRule.Energy(0.641).choose(spectrum.spectrum())).isEqualTo(2);
        assertThat(new RankRule.Energy(0.8).choose(spectrum.spectrum())).isEqualTo(2);
        assertThat(new RankRule.Energy(0.96).choose(spectrum.spectrum())).isEqualTo(3);
        assertThat(new RankRule.Energy(1).choose(spectrum.spectrum())).isEqualTo(4);
    }

    /** ΔW = −δ·a, ten digits below either term: a Gram matrix of B knows nothing of δ. */
    @ParameterizedTest
    @EnumSource(names = {"openblas", "ejml"})
    void cancellationIsSeenAndSurvives(Kernels.Choice choice) {
        float[][] b = gaussian(50, 4, 21);
        float[][] a = gaussian(4, 40, 22);
        for (int i = 0; i < 50; i++) {
            float delta = (float) Math.scalb(Math.round(b[i][1] * 64), -30);
            b[i][0] = Math.round(b[i][0] * 64) / 64f; // so that the sum is exact
            b[i][1] = b[i][0] + delta;
            b[i][2] = 0;
            b[i][3] = 0;
            for (int j = 0; j < 40; j++) {
                a[1][j] = -a[0][j];
            }
        }
        var spectrum = spectrum(choice, b, a, 1);
        double[] expected = dense(b, a, 1).svd().getSingularValues();
        assertThat(spectrum.byQr()).isTrue();
        assertThat(spectrum.spectrum().numericalRank()).isEqualTo(1);
        // relative to ‖b‖‖a‖ float64 leaves 2⁻⁵², relative to ΔW 2⁻²² or so
        assertThat(spectrum.spectrum().sigma()[0])
                .isCloseTo(expected[0], within(1e-5 * expected[0]));
        assertThat(relativeDistance(dense(b, a, 1), reduce(spectrum, 1, DType.F32, 50, 40)))
                .isLessThan(1e-5);
    }

    @Test
    void wellConditionedFactorsNeedNoQr() {
        assertThat(spectrum(Kernels.Choice.auto, gaussian(50, 8, 1), gaussian(8, 40, 2), 1).byQr())
                .isFalse();
    }

    @Test
    void toleranceKeepsTheSmallestPrefix() {
        var spectrum = new Spectrum(new double[] {4, 2, 2, 1}, 4, 0); // energies 16, 4, 4, 1
        assertThat(new RankRule.Tolerance(0.19).choose(spectrum)).isEqualTo(4);
        assertThat(new RankRule.Tolerance(0.21).choose(spectrum)).isEqualTo(3);
        assertThat(new RankRule.Tolerance(0.61).choose(spectrum)).isEqualTo(1);
        var partial = new Spectrum(new double[] {4, 2}, 2, 5); // the same, half of it known
        assertThat(partial.relativeError(1)).isEqualTo(0.6, within(1e-15));
        assertThat(new RankRule.Energy(0.64).choose(partial)).isEqualTo(1);
        assertThat(new RankRule.Energy(0.99).choose(partial)).isEqualTo(2);
    }

    private void check(Kernels.Choice choice, float[][] b, float[][] a, double scale, int[] ranks) {
        var spectrum = spectrum(choice, b, a, scale);
        SimpleMatrix dense = dense(b, a, scale);
        double[] expected = dense.svd().getSingularValues();
        double[] sigma = spectrum.spectrum().sigma();
        for (int i = 0; i < sigma.length; i++) {
            assertThat(sigma[i]).isCloseTo(expected[i], within(1e-7 * expected[i]));
        }
        for (int q : ranks) {
            double best = 0;
            for (int i = sigma.length - 1; i >= q; i--) {
                best += expected[i] * expected[i];
            }
            double error =
                    dense.minus(product(reduce(spectrum, q, DType.F32, b.length, a[0].length)))
                            .normF();
            // factors are stored as float32: a relative 2⁻²⁴ per factor comes on top
            double rounding = 4 * dense.normF() * Math.pow(2, -24);
            assertThat(error).isCloseTo(Math.sqrt(best), within(1e-6 * Math.sqrt(best) + rounding));
            assertThat(spectrum.spectrum().discardedEnergy(q)).isCloseTo(best, within(1e-6 * best));
        }
    }

    private ModuleSpectrum spectrum(Kernels.Choice choice, float[][] b, float[][] a, double scale) {
        Kernel kernel = Kernels.select(choice);
        return ModuleSpectrum.of(kernel, factor(b, scale), factor(a, 1), 0);
    }

    private Factor factor(float[][] values, double scale) {
        int columns = values[0].length;
        MemorySegment bytes = arena.allocate(4L * values.length * columns);
        for (int i = 0; i < values.length; i++) {
            Elements.narrow(DType.F32, values[i], 0, bytes, (long) i * columns, columns);
        }
        return new Factor(DType.F32, bytes, values.length, columns, scale);
    }

    private float[][][] reduce(ModuleSpectrum spectrum, int q, DType type, int out, int in) {
        var factors = new float[2][][];
        reduceInto(spectrum, q, type, out, in, arena, factors);
        return factors;
    }

    private static Reduced reduceInto(
            ModuleSpectrum spectrum,
            int q,
            DType type,
            int out,
            int in,
            Arena memory,
            float[][][] factors) {
        MemorySegment b = memory.allocate((long) out * q * type.bytes());
        MemorySegment a = memory.allocate((long) q * in * type.bytes());
        Reduced reduced =
                spectrum.reduce(q, new Factor(type, b, out, q), new Factor(type, a, q, in));
        factors[0] = rows(type, b, out, q);
        factors[1] = rows(type, a, q, in);
        return reduced;
    }

    private static float[][] rows(DType type, MemorySegment bytes, int rows, int columns) {
        float[][] values = new float[rows][columns];
        for (int i = 0; i < rows; i++) {
            Elements.widen(type, bytes, (long) i * columns, values[i], 0, columns);
        }
        return values;
    }

    private static double relativeDistance(SimpleMatrix dense, float[][][] factors) {
        return dense.minus(product(factors)).normF() / dense.normF();
    }

    private static SimpleMatrix product(float[][][] factors) {
        return simple(factors[0]).mult(simple(factors[1]));
    }

    private static SimpleMatrix dense(float[][] b, float[][] a, double scale) {
        return simple(b).mult(simple(a)).scale(scale);
    }

    private static SimpleMatrix simple(float[][] values) {
        var matrix = new SimpleMatrix(values.length, values[0].length);
        for (int i = 0; i < values.length; i++) {
            for (int j = 0; j < values[0].length; j++) {
                matrix.set(i, j, values[i][j]);
            }
        }
        return matrix;
    }

    private static float[][] gaussian(int rows, int columns, long seed) {
        var random = new Random(seed);
        float[][] values = new float[rows][columns];
        for (float[] row : values) {
            for (int j = 0; j < columns; j++) {
                row[j] = (float) random.nextGaussian();
            }
        }
        return values;
    }
}
