package graft.convert.lowrank;

import graft.convert.linalg.Kernel;
import graft.convert.linalg.Matrix;
import graft.convert.linalg.Scratch;
import graft.formats.tensor.DType;

/**
 * ‖B̂Â − B′A′‖, what rounding the new factors B′ and A′ to B̂ and Â does to their product.
 *
 * <p>With E = rounded − exact, {@code B̂Â − B′A′ = E_B·Â + B′·E_A}, whose square is the trace of
 * q×q Gram matrices: {@code ⟨E_BᵀE_B, ÂÂᵀ⟩ + 2⟨B′ᵀE_B, E_AÂᵀ⟩ + ⟨B′ᵀB′, E_AE_Aᵀ⟩}. Nothing cancels,
 * so the result is exact to rounding. Not thread-safe.
 */
final class RoundingLoss {
    private final Kernel kernel;
    private final int q;
    private final Matrix errorB;
    private final Matrix crossB;
    private final Matrix exactB;
    private final Matrix errorA;
    private final Matrix crossA;
    private final Matrix roundedA;

    RoundingLoss(Kernel kernel, int q, Scratch scratch) {
        this.kernel = kernel;
        this.q = q;
        this.errorB = scratch.matrix(q, q);
        this.crossB = scratch.matrix(q, q);
        this.exactB = scratch.matrix(q, q);
        this.errorA = scratch.matrix(q, q);
        this.crossA = scratch.matrix(q, q);
        this.roundedA = scratch.matrix(q, q);
    }

    /**
     * What storing both factors in {@code type} costs at most, relative to ‖B·A‖, where singular
     * values are alike: half a unit in the last place of every element of either. Usually it is a
     * third of that.
     */
    static double bound(DType type) {
        return switch (type) {
            case BF16 -> 0x1p-7;
            case F16 -> 0x1p-10;
            default -> 0x1p-23;
        };
    }

    /** A tile of B: {@code rows} rows of the factor before and after rounding. */
    void addB(Matrix exact, Matrix rounded, Matrix error, int rows) {
        kernel.multiply(true, false, q, q, rows, error, error, 1, errorB);
        kernel.multiply(true, false, q, q, rows, exact, error, 1, crossB);
        kernel.multiply(true, false, q, q, rows, exact, exact, 1, exactB);
    }

    /** A tile of A: {@code columns} columns of them. */
    void addA(Matrix exact, Matrix rounded, Matrix error, int columns) {
        kernel.multiply(false, true, q, q, columns, rounded, rounded, 1, roundedA);
        kernel.multiply(false, true, q, q, columns, error, error, 1, errorA);
        kernel.multiply(false, true, q, q, columns, error, rounded, 1, crossA);
    }

    double norm() {
        double sum = dot(errorB, roundedA) + 2 * dot(crossB, crossA) + dot(exactB, errorA);
        return Math.sqrt(Math.max(0, sum));
    }

    private static double dot(Matrix x, Matrix y) {
        double[] left = x.toArray();
        double[] right = y.toArray();
        double sum = 0;
        for (int i = 0; i < left.length; i++) {
            sum += left[i] * right[i];
        }
        return sum;
    }
}
