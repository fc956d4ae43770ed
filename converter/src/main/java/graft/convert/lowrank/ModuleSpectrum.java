package graft.convert.lowrank;

import graft.convert.linalg.Kernel;
import graft.convert.linalg.Matrix;
import graft.convert.linalg.Scratch;

import java.util.Arrays;

/**
 * The singular values of one module's {@code ΔW = B·A}, and the way to its best approximations.
 *
 * <p><b>Method.</b> With roots of the Gram matrices, {@code BᵀB = F_B·F_Bᵀ} and {@code AAᵀ =
 * F_A·F_Aᵀ} ({@link FactorRoot}), there are orthonormal {@code Q_B}, {@code Q_A} with {@code B =
 * Q_B·F_Bᵀ} and {@code A = F_A·Q_Aᵀ}, so the singular values of {@code B·A} are those of the r×r
 * core {@code F_Bᵀ·F_A = U·S·Vᵀ}. Its left and right vectors are {@code B·F_A·V·S⁻¹} and {@code
 * S⁻¹·Uᵀ·F_Bᵀ·A}: two products with the factors themselves, no inverse and no long Q.
 *
 * <p><b>Accuracy.</b> Sums run in float64. A value below {@code √ε·σ₁}, or below what rounding can
 * do to {@code Σ‖bⱼ‖‖aⱼ‖}, cannot be told from noise and counts as rank deficiency.
 *
 * <p>State is O(r²), on the heap, and O(r·q) after {@link #truncated}; immutable, safe from any
 * thread.
 */
public final class ModuleSpectrum {
    /** Below this share of the largest, a singular value is rounding noise. */
    public static final double NOISE = Math.sqrt(Math.ulp(1.0));

    private final Kernel kernel;
    private final Operand b;
    private final Operand a;
    private final Spectrum spectrum;
    private final boolean byQr;
    private final int held; // columns of intoB and rows of intoA
    private final double[] intoB;
    private final double[] intoA;

    private ModuleSpectrum(
            Kernel kernel,
            Operand b,
            Operand a,
            Spectrum spectrum,
            boolean byQr,
            int held,
            double[] intoB,
            double[] intoA) {
        this.kernel = kernel;
        this.b = b;
        this.a = a;
        this.spectrum = spectrum;
        this.byQr = byQr;
        this.held = held;
        this.intoB = intoB;
        this.intoA = intoA;
    }

    /**
     * One streaming pass over both factors, two over one that needs QR.
     *
     * @param b out×r
     * @param a r×in
     * @param tail ‖ΔW‖² that the factors miss, see {@link Spectrum}
     * @throws ArithmeticException if a factor holds NaN or infinity, or products overflow float64
     */
    public static ModuleSpectrum of(Kernel kernel, Operand b, Operand a, double tail) {
        if (b.columns() != a.rows()) {
            throw new IllegalArgumentException(
                    "B has %d columns, A %d rows".formatted(b.columns(), a.rows()));
        }
        int r = a.rows();
        try (var scratch = new Scratch()) {
            FactorRoot rootB = FactorRoot.ofColumns(kernel, b, scratch);
            FactorRoot rootA = FactorRoot.ofRows(kernel, a, scratch);
            Matrix core = scratch.matrix(r, r);
            kernel.multiply(true, false, r, r, r, rootB.matrix(), rootA.matrix(), 0, core);
            Matrix u = scratch.matrix(r, r);
            Matrix vt = scratch.matrix(r, r);
            double[] sigma = kernel.svd(core, u, vt);
            fixSigns(u, vt);
            Matrix intoB = scratch.matrix(r, r); // F_A·V
            Matrix intoA = scratch.matrix(r, r); // Uᵀ·F_Bᵀ
            kernel.multiply(false, true, r, r, r, rootA.matrix(), vt, 0, intoB);
            kernel.multiply(true, true, r, r, r, u, rootB.matrix(), 0, intoA);
            int rank = numericalRank(sigma, noise(rootB.lengths(), rootA.lengths()));
            return new ModuleSpectrum(
                    kernel,
                    b,
                    a,
                    new Spectrum(sigma, rank, tail),
                    rootB.byQr() || rootA.byQr(),
                    r,
                    intoB.toArray(),
                    intoA.toArray());
        }
    }

    /** What float64 does to a sum of rank-1 terms of these lengths. */
    private static double noise(double[] ofB, double[] ofA) {
        double sum = 0;
        for (int i = 0; i < ofB.length; i++) {
            sum += ofB[i] * ofA[i];
        }
        return 4 * ofB.length * Math.ulp(1.0) * sum;
    }

    private static int numericalRank(double[] sigma, double noise) {
        int count = 0;
        while (count < sigma.length && sigma[count] > Math.max(noise, NOISE * sigma[0])) {
            count++;
        }
        return count;
    }

    /**
     * A pair of singular vectors may change sign together; the largest component of U is made
     * positive.
     */
    private static void fixSigns(Matrix u, Matrix vt) {
        int n = u.rows();
        double[] left = u.toArray();
        double[] right = vt.toArray();
        double[] largest = new double[n];
        for (int i = 0; i < n; i++) {
            larger(largest, left, i * n);
        }
        for (int j = 0; j < n; j++) {
            if (largest[j] < 0) {
                negate(left, j, n, n);
                negate(right, j * n, 1, n);
            }
        }
        u.fill(left);
        vt.fill(right);
    }

    /** Of two rows, the elements that are larger in size; the former where they are alike. */
    private static void larger(double[] row, double[] others, int first) {
        for (int j = 0; j < row.length; j++) {
            double other = others[first + j];
            row[j] = Math.abs(other) > Math.abs(row[j]) ? other : row[j];
        }
    }

    private static void negate(double[] values, int first, int step, int count) {
        for (int i = 0; i < count; i++) {
            values[first + i * step] = -values[first + i * step];
        }
    }

    /**
     * The same spectrum with the state for at most {@code q} singular triples, to wait in less
     * memory.
     */
    public ModuleSpectrum truncated(int q) {
        int kept = Math.min(q, held);
        int r = a.rows();
        double[] columns = new double[r * kept];
        for (int i = 0; i < r; i++) {
            System.arraycopy(intoB, i * held, columns, i * kept, kept);
        }
        double[] rows = Arrays.copyOf(intoA, kept * r);
        return new ModuleSpectrum(kernel, b, a, spectrum, byQr, kept, columns, rows);
    }

    /** All r singular values. */
    public Spectrum spectrum() {
        return spectrum;
    }

    /** Whether a factor was too close to singular for its Gram matrix, and QR was used. */
    public boolean byQr() {
        return byQr;
    }

    /** For how many singular triples there is state. */
    int held() {
        return held;
    }

    /** The ways from B and A to q singular vectors times √σ. */
    private void fillProjections(int q, Matrix ofB, Matrix ofA) {
        int r = a.rows();
        double[] columns = new double[r * q];
        double[] rows = new double[q * r];
        for (int j = 0; j < q; j++) {
            double root = 1 / Math.sqrt(spectrum.sigma()[j]); // S⁻¹·√S
            for (int i = 0; i < r; i++) {
                columns[i * q + j] = intoB[i * held + j] * root;
                rows[j * r + i] = intoA[j * r + i] * root;
            }
        }
        ofB.fill(columns);
        ofA.fill(rows);
    }

    /**
     * The second streaming pass: writes factors whose product is the best rank-q approximation of
     * B·A, with √σ on both sides. Elements past rank q of a wider output are left as they are.
     *
     * @param q from 1 to the numerical rank, and to what was kept by {@link #truncated}
     * @param bOut out×(q or more)
     * @param aOut (q or more)×in
     */
    public Reduced reduce(int q, Factor bOut, Factor aOut) {
        int most = Math.min(held, spectrum.numericalRank());
        if (q < 1 || q > most) {
            throw new IllegalArgumentException("rank %d outside 1..%d".formatted(q, most));
        }
        if (bOut.rows() != b.rows() || aOut.columns() != a.columns()) {
            throw new IllegalArgumentException(
                    "outputs of %d rows and %d columns".formatted(bOut.rows(), aOut.columns()));
        }
        int r = a.rows();
        try (var scratch = new Scratch()) {
            Matrix p = scratch.matrix(r, q);
            Matrix g = scratch.matrix(q, r);
            fillProjections(q, p, g);
            var loss = new RoundingLoss(kernel, q, scratch);
            FactorTiles.overRows(
                    b,
                    scratch,
                    new FactorTiles.Projection(kernel, p, scratch).intoRows(bOut, loss::addB));
            FactorTiles.overColumns(
                    a,
                    scratch,
                    new FactorTiles.Projection(kernel, g, scratch).intoColumns(aOut, loss::addA));
            double norm = Math.sqrt(spectrum.energy());
            return new Reduced(q, spectrum.relativeError(q), loss.norm() / norm);
        }
    }
}
