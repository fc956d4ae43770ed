package graft.convert.reduce;

import graft.convert.linalg.Kernel;
import graft.convert.linalg.Matrix;
import graft.convert.linalg.Scratch;
import graft.formats.tensor.DType;

import java.lang.foreign.MemorySegment;
import java.util.Arrays;

/**
 * The singular values of one module's {@code ΔW = s·B·A}, and the way to its best approximations.
 *
 * <p><b>Method.</b> With Gram matrices {@code BᵀB = F_B·F_Bᵀ} and {@code AAᵀ = F_A·F_Aᵀ} there are
 * orthonormal {@code Q_B}, {@code Q_A} with {@code B = Q_B·F_Bᵀ} and {@code A = F_A·Q_Aᵀ}, so the
 * singular values of {@code B·A} are those of the r×r core {@code F_Bᵀ·F_A = U·S·Vᵀ}. Its left and
 * right vectors are {@code B·F_A·V·S⁻¹} and {@code S⁻¹·Uᵀ·F_Bᵀ·A}: two products with the factors
 * themselves, no inverse and no QR of a long matrix.
 *
 * <p><b>Accuracy.</b> Sums run in float64. A singular value is right to about {@code ε·σ₁²/σᵢ},
 * that is to 10⁻⁸ relative down to {@code σᵢ = 10⁻⁴·σ₁}; below {@code √ε·σ₁} it cannot be told from
 * noise and counts as rank deficiency.
 *
 * <p>State is O(r²), on the heap, and O(r·q) after {@link #truncated}; immutable, safe from any
 * thread.
 */
public final class ModuleSpectrum {
    /** Below this share of the largest, a singular value is rounding noise of the Gram route. */
    public static final double NOISE = Math.sqrt(Math.ulp(1.0));

    private final Kernel kernel;
    private final Factor b;
    private final Factor a;
    private final double scale;
    private final int rank;
    private final double[] sigma;
    private final int held; // columns of intoB and rows of intoA
    private final double[] intoB;
    private final double[] intoA;

    private ModuleSpectrum(
            Kernel kernel,
            Factor b,
            Factor a,
            double scale,
            double[] sigma,
            int held,
            double[] intoB,
            double[] intoA) {
        this.kernel = kernel;
        this.b = b;
        this.a = a;
        this.scale = scale;
        this.rank = a.rows();
        this.sigma = sigma;
        this.held = held;
        this.intoB = intoB;
        this.intoA = intoA;
    }

    /**
     * One streaming pass over both factors.
     *
     * @param b out×r
     * @param a r×in
     * @param scale s, may be negative or zero
     * @throws ArithmeticException if a factor holds NaN or infinity, or products overflow float64
     */
    public static ModuleSpectrum of(Kernel kernel, Factor b, Factor a, double scale) {
        if (b.columns() != a.rows()) {
            throw new IllegalArgumentException(
                    "B has %d columns, A %d rows".formatted(b.columns(), a.rows()));
        }
        int r = a.rows();
        try (var scratch = new Scratch()) {
            Matrix gramB = scratch.matrix(r, r);
            Matrix gramA = scratch.matrix(r, r);
            FactorTiles.overRows(
                    b, scratch, (tile, _, rows) -> kernel.addGramOfColumns(tile, rows, gramB));
            FactorTiles.overColumns(
                    a, scratch, (tile, _, n) -> kernel.addGramOfRows(tile, n, gramA));
            Matrix rootB = GramRoot.of(kernel, gramB, scratch);
            Matrix rootA = GramRoot.of(kernel, gramA, scratch);
            Matrix core = scratch.matrix(r, r);
            kernel.multiply(true, false, r, r, r, rootB, rootA, 0, core);
            Matrix u = scratch.matrix(r, r);
            Matrix vt = scratch.matrix(r, r);
            double[] s = kernel.svd(core, u, vt);
            fixSigns(u, vt);
            Matrix intoB = scratch.matrix(r, r); // F_A·V
            Matrix intoA = scratch.matrix(r, r); // Uᵀ·F_Bᵀ
            kernel.multiply(false, true, r, r, r, rootA, vt, 0, intoB);
            kernel.multiply(true, true, r, r, r, u, rootB, 0, intoA);
            return new ModuleSpectrum(
                    kernel,
                    b,
                    a,
                    scale,
                    scaled(s, Math.abs(scale)),
                    r,
                    intoB.toArray(),
                    intoA.toArray());
        }
    }

    private static double[] scaled(double[] values, double by) {
        double[] result = new double[values.length];
        for (int i = 0; i < values.length; i++) {
            result[i] = values[i] * by;
        }
        return result;
    }

    /**
     * A pair of singular vectors may change sign together; the largest component of U is made
     * positive.
     */
    private static void fixSigns(Matrix u, Matrix vt) {
        for (int j = 0; j < u.columns(); j++) {
            double largest = 0;
            for (int i = 0; i < u.rows(); i++) {
                if (Math.abs(u.get(i, j)) > Math.abs(largest)) {
                    largest = u.get(i, j);
                }
            }
            if (largest < 0) {
                for (int i = 0; i < u.rows(); i++) {
                    u.set(i, j, -u.get(i, j));
                    vt.set(j, i, -vt.get(j, i));
                }
            }
        }
    }

    /**
     * The same spectrum with the state for at most {@code q} singular triples, to wait in less
     * memory.
     */
    public ModuleSpectrum truncated(int q) {
        int kept = Math.min(q, held);
        double[] columns = new double[rank * kept];
        for (int i = 0; i < rank; i++) {
            System.arraycopy(intoB, i * held, columns, i * kept, kept);
        }
        double[] rows = Arrays.copyOf(intoA, kept * rank);
        return new ModuleSpectrum(kernel, b, a, scale, sigma, kept, columns, rows);
    }

    /** All r singular values of s·B·A, largest first; those past the numerical rank are noise. */
    public double[] sigma() {
        return sigma.clone();
    }

    /** How many singular values stand above {@link #NOISE}; 0 if ΔW is zero. */
    public int numericalRank() {
        int count = 0;
        while (count < sigma.length && sigma[count] > NOISE * sigma[0]) {
            count++;
        }
        return count;
    }

    /** ‖s·B·A‖² = Σσ². */
    public double energy() {
        return discardedEnergy(0);
    }

    /** Σ_{i≥q} σᵢ² = ‖ΔW − ΔW_q‖², without the noise; smallest terms first. */
    public double discardedEnergy(int q) {
        double sum = 0;
        for (int i = numericalRank() - 1; i >= q; i--) {
            sum += sigma[i] * sigma[i];
        }
        return sum;
    }

    /** ‖ΔW − ΔW_q‖/‖ΔW‖; 0 for a zero ΔW. */
    public double relativeError(int q) {
        double energy = energy();
        return energy == 0 ? 0 : Math.sqrt(discardedEnergy(q) / energy);
    }

    /**
     * The second streaming pass: writes factors whose product is the best rank-q approximation of
     * s·B·A, with the scale inside and √σ on both sides.
     *
     * @param q from 1 to the numerical rank, and to what was kept by {@link #truncated}
     * @param type of both outputs
     * @param bOut out×q elements
     * @param aOut q×in elements
     */
    public Reduced reduce(int q, DType type, MemorySegment bOut, MemorySegment aOut) {
        int most = Math.min(held, numericalRank());
        if (q < 1 || q > most) {
            throw new IllegalArgumentException("rank %d outside 1..%d".formatted(q, most));
        }
        var newB = new Factor(type, bOut, b.rows(), q);
        var newA = new Factor(type, aOut, q, a.columns());
        try (var scratch = new Scratch()) {
            Matrix p = scratch.matrix(rank, q);
            Matrix g = scratch.matrix(q, rank);
            double sign = Math.signum(scale);
            for (int j = 0; j < q; j++) {
                // F_A·V·S⁻¹·√σ with σ = |s|·S; the sign of s goes to one side
                double root = Math.abs(scale) / Math.sqrt(sigma[j]);
                for (int i = 0; i < rank; i++) {
                    p.set(i, j, intoB[i * held + j] * root);
                    g.set(j, i, intoA[j * rank + i] * root * sign);
                }
            }
            var loss = new RoundingLoss(kernel, q, scratch);
            FactorTiles.overRows(
                    b,
                    scratch,
                    new FactorTiles.Projection(kernel, p, scratch).intoRows(newB, loss::addB));
            FactorTiles.overColumns(
                    a,
                    scratch,
                    new FactorTiles.Projection(kernel, g, scratch).intoColumns(newA, loss::addA));
            return new Reduced(q, relativeError(q), loss.norm() / Math.sqrt(energy()));
        }
    }
}
