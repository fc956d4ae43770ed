package graft.convert.lowrank;

/**
 * Singular values of one module's ΔW, as far as they are known. Immutable by convention: nobody
 * writes to {@code sigma}.
 *
 * @param sigma largest first; those past the numerical rank are noise
 * @param numericalRank how many of them stand above noise; 0 if ΔW is zero
 * @param tail Σσ² of what is not in {@code sigma}: 0 for an adapter, what the extracted factors
 *     miss for a fine-tune
 */
public record Spectrum(double[] sigma, int numericalRank, double tail) {
    /** ‖ΔW‖² = Σσ². */
    public double energy() {
        return discardedEnergy(0);
    }

    /** Σ_{i≥q} σᵢ² = ‖ΔW − ΔW_q‖², without the noise; smallest terms first. */
    public double discardedEnergy(int q) {
        double sum = tail;
        for (int i = numericalRank - 1; i >= q; i--) {
            sum += sigma[i] * sigma[i];
        }
        return sum;
    }

    /** ‖ΔW − ΔW_q‖/‖ΔW‖; 0 for a zero ΔW. */
    public double relativeError(int q) {
        double energy = energy();
        return energy == 0 ? 0 : Math.sqrt(discardedEnergy(q) / energy);
    }
}
