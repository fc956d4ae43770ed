package graft.convert.sparsify;

import graft.convert.select.Threshold;

/** How the residual of one tensor is stored. */
sealed interface Treatment {
    /** Not at all: the model gets the base's value. */
    record Nothing() implements Treatment {}

    /** Its {@code count} largest entries. */
    record Largest(long count) implements Treatment {}

    /** Its entries above a threshold that was found over several tensors. */
    record Above(Threshold threshold) implements Treatment {}

    /**
     * The {@code keep} largest of every {@code of} consecutive entries; {@code of} divides a tile.
     */
    record Blocks(int keep, int of) implements Treatment {}

    /** A share of the entries, drawn by seed; their values grow by its inverse. */
    record Drawn(double share) implements Treatment {}

    /**
     * All entries rounded by a random number to multiples of {@code step}, so that the expectation
     * is the residual: sparse, since small ones mostly become zero.
     */
    record Stochastic(double step) implements Treatment {}

    /**
     * A share of the entries, drawn by seed, with subtractive dither; they grow by the share's
     * inverse, so that the expectation is the residual.
     *
     * @param step between levels before they grow
     */
    record Dithered(double step, double share) implements Treatment {}
}
