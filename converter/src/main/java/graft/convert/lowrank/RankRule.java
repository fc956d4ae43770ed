package graft.convert.lowrank;

/** How many singular triples of each module to keep. */
public sealed interface RankRule {
    /** A rule that looks at one module at a time. */
    sealed interface PerModule extends RankRule {
        /**
         * @return from 0 (the module does nothing and can go) to the numerical rank
         */
        default int choose(Spectrum spectrum) {
            int most = spectrum.numericalRank();
            return switch (this) {
                case Fixed(int rank) -> Math.min(rank, most);
                case Lossless() -> most;
                case Energy(double kept) ->
                        kept == 1 ? most : smallest(spectrum, 1 - kept + SHARE_TOLERANCE);
                case Tolerance(double error) -> smallest(spectrum, error * error);
            };
        }

        /** The smallest rank that discards at most a share of the energy. */
        private static int smallest(Spectrum spectrum, double share) {
            int q = 0;
            while (q < spectrum.numericalRank()
                    && spectrum.discardedEnergy(q) > share * spectrum.energy()) {
                q++;
            }
            return q;
        }
    }

    /** A rule that shares something out over all modules, to where it helps most. */
    sealed interface Budget extends RankRule {
        /** Rank that every module gets before anything is shared out, as far as its own goes. */
        int least();
    }

    /** At most {@code rank} of every module. */
    record Fixed(int rank) implements PerModule {
        public Fixed {
            if (rank < 1) {
                throw new IllegalArgumentException("rank %d is below 1".formatted(rank));
            }
        }
    }

    /**
     * The fewest that keep a share of the module's energy Σσ². A share of 1 keeps everything but
     * numerical rank deficiency. PEFT's float rank means the same; kohya's {@code sv_fro p} is a
     * ratio of norms, that is {@code Energy(p²)}, and keeps one more than needed.
     *
     * @param kept share of Σσ², in (0, 1]
     */
    record Energy(double kept) implements PerModule {
        public Energy {
            if (!(kept > 0 && kept <= 1)) {
                throw new IllegalArgumentException("energy %s is outside (0, 1]".formatted(kept));
            }
        }
    }

    /**
     * The fewest whose truncation error ‖ΔW − ΔW_q‖/‖ΔW‖ is within {@code error}.
     *
     * @param error in (0, 1)
     */
    record Tolerance(double error) implements PerModule {
        public Tolerance {
            if (!(error > 0 && error < 1)) {
                throw new IllegalArgumentException(
                        "tolerance %s is outside (0, 1)".formatted(error));
            }
        }
    }

    /** Everything but numerical rank deficiency. */
    record Lossless() implements PerModule {}

    /**
     * @param most elements of all factors together
     * @param least see {@link Budget#least}
     */
    record Parameters(long most, int least) implements Budget {
        public Parameters {
            if (most < 1 || least < 0) {
                throw new IllegalArgumentException("params %d is below 1".formatted(most));
            }
        }
    }

    /**
     * @param bytes of the file of weights: header, factors and whole tensors
     * @param least see {@link Budget#least}
     */
    record Size(long bytes, int least) implements Budget {
        public Size {
            if (bytes < 1 || least < 0) {
                throw new IllegalArgumentException("size %d is below 1".formatted(bytes));
            }
        }
    }

    /** Guards an exact share, such as .5 of two equal values, against the last bits of a sum. */
    double SHARE_TOLERANCE = 1e-12;

    /** By name, for a ledger's options. */
    default String word() {
        return switch (this) {
            case Fixed _ -> "rank";
            case Energy _ -> "energy";
            case Tolerance _ -> "tolerance";
            case Lossless _ -> "lossless";
            case Parameters _ -> "params";
            case Size _ -> "size";
        };
    }

    /** The number that goes with {@link #word}. */
    default Object value() {
        return switch (this) {
            case Fixed(int rank) -> rank;
            case Energy(double kept) -> kept;
            case Tolerance(double error) -> error;
            case Lossless() -> true;
            case Parameters(long most, _) -> most;
            case Size(long bytes, _) -> bytes;
        };
    }

    /** What a model card says was done to every module. */
    default String sentence() {
        return switch (this) {
            case Fixed(int rank) -> "every module at most of rank %d".formatted(rank);
            case Energy(double kept) -> "%s of each module's energy kept".formatted(kept);
            case Tolerance(double error) ->
                    "each module within a relative error of %s".formatted(error);
            case Lossless() -> "every module at its numerical rank";
            case Parameters(long most, _) ->
                    "%d parameters shared out over all modules".formatted(most);
            case Size(long bytes, _) -> "%d bytes shared out over all modules".formatted(bytes);
        };
    }
}
