package graft.convert.lowrank;

import java.io.IOException;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.function.IntFunction;

/**
 * Shares a budget out over modules: singular triples are taken in the order of what they are worth,
 * {@code σ²/(out + in)} over the module's weight squared, until the next one does not fit.
 *
 * <p>σ falls within a module and its cost is constant, so a prefix of that order keeps the best of
 * every module, and is optimal in the (weighted) error for the size it has; ranks under a smaller
 * budget never exceed those under a larger one. Ties go to the earlier module.
 */
final class RankBudget {
    /**
     * One module.
     *
     * @param cost of one unit of rank: out + in
     * @param weight what its error is measured against; 1 for ‖ΔW‖ as it is
     */
    record Bidder(Spectrum spectrum, long cost, double weight) {}

    /** Whether these ranks keep within the budget. True for fewer if true for more. */
    @FunctionalInterface
    interface Limit {
        boolean allows(int[] ranks) throws IOException;
    }

    private record Triple(int module, int index, double worth) {}

    private RankBudget() {}

    /**
     * @param least rank that comes first, whatever it is worth
     * @return a rank per bidder, all 0 if not even one triple fits
     */
    static int[] share(List<Bidder> bidders, int least, Limit limit) throws IOException {
        List<Triple> order = new ArrayList<>();
        for (int m = 0; m < bidders.size(); m++) {
            Bidder bidder = bidders.get(m);
            for (int i = 0; i < bidder.spectrum().numericalRank(); i++) {
                double relative = bidder.spectrum().sigma()[i] / bidder.weight();
                double worth = relative * relative / bidder.cost();
                order.add(new Triple(m, i, i < least ? Double.POSITIVE_INFINITY : worth));
            }
        }
        order.sort(
                Comparator.comparingDouble(Triple::worth)
                        .reversed()
                        .thenComparing(Triple::module)
                        .thenComparing(Triple::index));
        return largest(order.size(), length -> prefix(order, length, bidders.size()), limit);
    }

    /** The last of {@code ranks} 0 to {@code most}, ever more, that the limit allows. */
    private static int[] largest(int most, IntFunction<int[]> ranks, Limit limit)
            throws IOException {
        int fits = 0;
        int end = most;
        while (fits < end) {
            int middle = (fits + end + 1) / 2;
            if (limit.allows(ranks.apply(middle))) {
                fits = middle;
            } else {
                end = middle - 1;
            }
        }
        return ranks.apply(fits);
    }

    private static int[] prefix(List<Triple> order, int length, int modules) {
        int[] ranks = new int[modules];
        for (Triple triple : order.subList(0, length)) {
            ranks[triple.module()]++;
        }
        return ranks;
    }

    /** The highest rank that all modules may have alike, as far as theirs goes. */
    static int[] shareAlike(List<Bidder> bidders, Limit limit) throws IOException {
        int most = 0;
        for (Bidder bidder : bidders) {
            most = Math.max(most, bidder.spectrum().numericalRank());
        }
        return largest(most, q -> alike(bidders, q), limit);
    }

    private static int[] alike(List<Bidder> bidders, int most) {
        return bidders.stream()
                .mapToInt(bidder -> Math.min(most, bidder.spectrum().numericalRank()))
                .toArray();
    }
}
