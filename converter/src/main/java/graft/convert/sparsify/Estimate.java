package graft.convert.sparsify;

/**
 * What storing one tensor is expected to take and to give.
 *
 * @param bytes of positions and values
 * @param count kept entries
 * @param energy ‖u‖² of the residual
 * @param modelEnergy ‖θ_t‖² of the tensor
 * @param noise expected ‖û − u‖²
 */
record Estimate(double bytes, double count, double energy, double modelEnergy, double noise) {
    /** ‖û − u‖² over ‖θ_t‖²; 0 where there is no residual. */
    double relativeNoise() {
        return noise == 0 ? 0 : noise / Math.max(modelEnergy, energy);
    }

    /** The same, of a random share of the entries that grow by its inverse. */
    Estimate drawn(double share) {
        return new Estimate(
                share * bytes,
                share * count,
                energy,
                modelEnergy,
                (1 / share - 1) * energy + noise / share);
    }
}
