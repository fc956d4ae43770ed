package graft.convert.sparsify;

/** How much of a residual is kept. */
public sealed interface Amount {
    /** A share of the entries, in (0, 1]. */
    record Density(double share) implements Amount {
        public Density {
            if (!(share > 0 && share <= 1)) {
                throw new IllegalArgumentException("density %s is outside (0, 1]".formatted(share));
            }
        }
    }

    /** {@code keep} of every {@code of} neighbours; {@code of} is a power of two up to 1024. */
    record Blocks(int keep, int of) implements Amount {
        public Blocks {
            if (keep < 1 || keep > of || of > 1024 || Integer.bitCount(of) != 1) {
                throw new IllegalArgumentException(
                        "blocks %d:%d are not N:M with N ≤ M and M a power of two up to 1024"
                                .formatted(keep, of));
            }
        }
    }

    /** A number of entries per model. */
    record Count(long entries) implements Amount {
        public Count {
            if (entries < 1) {
                throw new IllegalArgumentException("count %d is below 1".formatted(entries));
            }
        }
    }

    /** What fits into a number of bytes, all models of a run together, whole tensors included. */
    record Bytes(long total) implements Amount {
        public Bytes {
            if (total < 1) {
                throw new IllegalArgumentException("size %d is below 1".formatted(total));
            }
        }
    }

    /** A step between levels, in units of each tensor's root mean square. */
    record Step(double rms) implements Amount {
        public Step {
            if (!(rms > 0 && Double.isFinite(rms))) {
                throw new IllegalArgumentException("step %s is not above 0".formatted(rms));
            }
        }
    }

    /**
     * Noise on the weights: the sum over tensors of ‖û − u‖² over ‖θ‖², weighted as {@link
     * NoiseAllocation} says. Bits go where they lower it most.
     */
    record Noise(double level) implements Amount {
        public Noise {
            if (!(level > 0 && Double.isFinite(level))) {
                throw new IllegalArgumentException("noise %s is not above 0".formatted(level));
            }
        }
    }
}
