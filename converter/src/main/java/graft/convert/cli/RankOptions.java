package graft.convert.cli;

import graft.convert.lowrank.RankRule;

import org.jspecify.annotations.Nullable;

import picocli.CommandLine.Option;

/** How many ranks to keep: exactly one of these. */
final class RankOptions {
    @Option(names = "--rank", paramLabel = "N", description = "Rank of every module, at most.")
    @Nullable Integer rank;

    @Option(
            names = "--energy",
            paramLabel = "F",
            description = "Share of each module's energy (sum of squared singular values) to keep.")
    @Nullable Double energy;

    @Option(
            names = "--tolerance",
            paramLabel = "F",
            description = "Relative error each module may have, storage included.")
    @Nullable Double tolerance;

    @Option(
            names = "--lossless",
            description = "Drop only numerical rank deficiency; nothing is lost.")
    boolean lossless;

    @Option(
            names = "--params",
            paramLabel = "N",
            description = "Parameters of all factors together, shared out where they help most.")
    @Nullable Long params;

    @Option(
            names = "--size",
            paramLabel = "BYTES",
            description = "Bytes of the file of weights, header included, such as 20MB or 8MiB.")
    @Nullable String size;

    /**
     * @param least rank that a budget gives every module first
     */
    RankRule rule(int least) {
        try {
            if (rank != null) {
                return new RankRule.Fixed(rank);
            }
            if (energy != null) {
                return new RankRule.Energy(energy);
            }
            if (tolerance != null) {
                return new RankRule.Tolerance(tolerance);
            }
            if (params != null) {
                return new RankRule.Parameters(params, least);
            }
            return size == null
                    ? new RankRule.Lossless()
                    : new RankRule.Size(Sizes.parse("--size", size), least);
        } catch (IllegalArgumentException e) {
            throw new UsageException(
                    "--" + e.getMessage(),
                    "--rank, --params and --size take 1 or more, --energy and --tolerance a share"
                            + " such as 0.95");
        }
    }
}
