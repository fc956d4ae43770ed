package graft.convert.job;

import graft.convert.sparsify.SparsifyOptions;

import java.util.Locale;

/** One way to store all tasks of a family; what a row of the quickstart's table measures. */
sealed interface Setting {
    /** Every task's fine-tune as it is. */
    record SingleTask() implements Setting {}

    /** One merged encoder for all tasks, each with its own head. */
    record Merged(double weight) implements Setting {}

    /**
     * The merged encoder and the largest of each task's residual: PERU-FFT, or their signs alone.
     */
    record Residual(String preset, double density, double weight) implements Setting {
        /** How {@code sparsify} makes it. */
        SparsifyOptions options() {
            return preset.equals("paper")
                    ? SparsifyOptions.paper(density)
                    : SparsifyOptions.signs(density);
        }
    }

    /** The merged encoder and each task's residual as {@code sparsify} stores it by default. */
    record Compact(double weight) implements Setting {}

    /** The base and an adapter per task, cut to {@code rank} (PERU-LoRA), or as it is. */
    record Adapter(int rank, boolean isWhole) implements Setting {}

    /** The base and an adapter per task, of as many parameters as at {@code rank}, shared out. */
    record SharedRanks(int rank) implements Setting {}

    /** Whether it is measured against the adapters as trained, not against the fine-tunes. */
    default boolean isAdapter() {
        return this instanceof Adapter || this instanceof SharedRanks;
    }

    /** Whether one stored model serves all tasks, so that its bytes are no task's own. */
    default boolean isShared() {
        return this instanceof Merged;
    }

    /** For people. */
    default String label() {
        return switch (this) {
            case SingleTask _ -> "fine-tunes, whole";
            case Merged(double weight) -> "merged model alone (λ %s)".formatted(weight);
            case Residual(String preset, double density, _) ->
                    "%s %s".formatted(preset, percent(density));
            case Compact _ -> "compact (default)";
            case Adapter(int rank, boolean whole) ->
                    "adapters, rank " + rank + (whole ? " (as trained)" : "");
            case SharedRanks(int rank) -> "adapters, rank " + rank + " shared out";
        };
    }

    /** For file names. */
    default String slug() {
        return switch (this) {
            case SingleTask _ -> "fine-tune";
            case Merged _ -> "merged";
            case Residual(String preset, double density, _) ->
                    preset + "-" + percent(density).replace(" %", "").replace('.', '_');
            case Compact _ -> "compact";
            case Adapter(int rank, _) -> "rank-" + rank;
            case SharedRanks(int rank) -> "shared-" + rank;
        };
    }

    private static String percent(double share) {
        double percent = 100 * share;
        return percent == Math.rint(percent)
                ? "%d %%".formatted((long) percent)
                : String.format(Locale.ROOT, "%.1f %%", percent);
    }
}
