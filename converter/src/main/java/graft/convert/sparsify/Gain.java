package graft.convert.sparsify;

/**
 * Whether the kept part û of a residual u gets its length back. Plain pruning falls short, ⟨û, u⟩ =
 * ‖û‖² below ‖u‖², and leaves the model too close to the base.
 */
public enum Gain {
    /** Values as they are; for signs the mean kept magnitude. */
    none,
    /** ‖û‖ = ‖u‖. */
    norm,
    /** ⟨û, u⟩ = ‖u‖²: û reaches as far along u as u itself. */
    projection;

    /**
     * By what kept values are multiplied.
     *
     * @param energy ‖u‖² of the whole residual
     * @param keptEnergy ‖u‖² of what is kept
     */
    double ofValues(double energy, double keptEnergy) {
        if (keptEnergy == 0) {
            return 1;
        }
        return switch (this) {
            case none -> 1;
            case norm -> Math.sqrt(energy / keptEnergy);
            case projection -> energy / keptEnergy;
        };
    }

    /**
     * What a kept sign is worth.
     *
     * @param energy ‖u‖² of the whole residual
     * @param magnitude Σ|u| over what is kept
     * @param count kept entries, at least one
     */
    double ofSigns(double energy, double magnitude, long count) {
        return switch (this) {
            case none -> magnitude / count;
            case norm -> Math.sqrt(energy / count);
            case projection -> energy / magnitude;
        };
    }
}
