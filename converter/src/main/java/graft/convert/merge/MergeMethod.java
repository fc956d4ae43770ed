package graft.convert.merge;

import java.util.Locale;
import java.util.Optional;

/** How task vectors v_t = θ_t − θ₀ become one model. */
public enum MergeMethod {
    /** θ₀ + Σ v_t / T: the mean of the fine-tunes. */
    MEAN,
    /** θ₀ + λ Σ v_t (arXiv 2212.04089). */
    TASK_ARITHMETIC,
    /**
     * Trim each v_t to its largest entries, elect the sign of their sum, average those that agree
     * (arXiv 2306.01708).
     */
    TIES,
    /** Drop entries of v_t at random, scale up the rest, then sum (arXiv 2311.03099). */
    DARE,
    /** The same, then elect signs as {@link #TIES} does. */
    DARE_TIES,
    /** Drop the largest and the smallest entries of v_t, then sum (arXiv 2312.06795). */
    BREADCRUMBS,
    /** The largest magnitude among those with the elected sign (EMR, arXiv 2405.17461). */
    EMR,
    /** Weighted by the user's Fisher information (arXiv 2111.09832). */
    FISHER,
    /** Singular vectors of the tasks made orthogonal to each other; see {@link SingularMerge}. */
    TSV,
    /** Least squares on the user's Gram matrices of inputs; see {@link RegressionMerge}. */
    REGMEAN;

    /** As the command line and ledgers spell it: {@code task-arithmetic}. */
    public String word() {
        return name().toLowerCase(Locale.ROOT).replace('_', '-');
    }

    /** The method that {@link #word} names. */
    public static Optional<MergeMethod> of(String word) {
        for (MergeMethod method : values()) {
            if (method.word().equals(word.replace('_', '-'))) {
                return Optional.of(method);
            }
        }
        return Optional.empty();
    }

    /** Whether weights of the user's take part; the others are means, plain or by statistics. */
    public boolean weighs() {
        return this != MEAN && !needsStatistics();
    }

    /** Whether the user has to give a file of statistics per fine-tune. */
    public boolean needsStatistics() {
        return this == FISHER || this == REGMEAN;
    }

    /** Whether task vectors are trimmed to a density first. */
    public boolean trims() {
        return this == TIES || this == BREADCRUMBS;
    }

    /** Whether entries are dropped at random, down to a density. */
    public boolean drops() {
        return this == DARE || this == DARE_TIES;
    }
}
