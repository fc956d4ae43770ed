package graft.convert.lowrank;

/**
 * What writing a rank-q approximation cost, relative to ‖s·B·A‖ (Frobenius).
 *
 * @param rank q
 * @param truncationError of the exact rank-q approximation: √(Σ_{i>q} σᵢ² / Σσᵢ²), the optimum by
 *     Eckart–Young
 * @param roundingError of storing its factors in the output type alone
 */
public record Reduced(int rank, double truncationError, double roundingError) {
    /**
     * Of the stored factors. The two parts are orthogonal up to second order: rounding moves the
     * product within the kept row or column space, truncation lies outside of both.
     */
    public double relativeError() {
        return Math.hypot(truncationError, roundingError);
    }
}
