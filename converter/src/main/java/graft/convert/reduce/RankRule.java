package graft.convert.reduce;

/** How many singular triples of one module to keep. */
public sealed interface RankRule {
    /** At most {@code rank} of every module. */
    record Fixed(int rank) implements RankRule {
        public Fixed {
            if (rank < 1) {
                throw new IllegalArgumentException("rank %d is below 1".formatted(rank));
            }
        }
    }

    /**
     * The fewest that keep a share of the module's energy Σσ². A share of 1 keeps everything but
     * numerical rank deficiency. PEFT's float rank means the same; kohya's {@code sv_fro p} is a
     * ratio of norms, that is {@code Energy(p²)}.
     *
     * @param kept share of Σσ², in (0, 1]
     */
    record Energy(double kept) implements RankRule {
        public Energy {
            if (!(kept > 0 && kept <= 1)) {
                throw new IllegalArgumentException("energy %s is outside (0, 1]".formatted(kept));
            }
        }
    }

    /** Guards an exact share, such as .5 of two equal values, against the last bits of a sum. */
    double SHARE_TOLERANCE = 1e-12;

    /**
     * @param spectrum the module's singular values
     * @return from 0 (the module does nothing and can go) to the numerical rank
     */
    default int choose(ModuleSpectrum spectrum) {
        int most = spectrum.numericalRank();
        return switch (this) {
            case Fixed(int rank) -> Math.min(rank, most);
            case Energy(double kept) -> smallestPrefix(spectrum, kept, most);
        };
    }

    private static int smallestPrefix(ModuleSpectrum spectrum, double kept, int most) {
        double wanted = kept - SHARE_TOLERANCE;
        for (int q = 0; q < most; q++) {
            if (kept < 1 && 1 - spectrum.discardedEnergy(q) / spectrum.energy() >= wanted) {
                return q;
            }
        }
        return most;
    }
}
