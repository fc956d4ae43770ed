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
    projection
}
