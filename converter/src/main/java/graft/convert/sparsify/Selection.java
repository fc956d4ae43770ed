package graft.convert.sparsify;

import graft.convert.plan.Progress;
import graft.convert.plan.TensorPair;
import graft.convert.plan.Workers;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;

/** Finds the threshold of every tensor, per tensor or over all of them. */
final class Selection {
    private final List<TensorPair> pairs;
    private final SparsifyOptions options;
    private final Workers workers;
    private final Progress progress;

    Selection(List<TensorPair> pairs, SparsifyOptions options, Workers workers, Progress progress) {
        this.pairs = pairs;
        this.options = options;
        this.workers = workers;
        this.progress = progress;
    }

    /** In the order of the pairs. */
    List<Threshold> thresholds() throws IOException {
        return options.scope() == SparsifyOptions.Scope.tensor ? perTensor() : global();
    }

    private List<Threshold> perTensor() throws IOException {
        progress.phase(
                "select entries of %d tensors".formatted(pairs.size()), TensorPair.bytes(pairs));
        return workers.map(
                pairs,
                pair -> {
                    Threshold threshold = Threshold.of(pair, options.keptOf(pair.elements()));
                    progress.advance(pair.bytes());
                    return threshold;
                });
    }

    /**
     * Ties at the threshold go to the first tensors, in name order, and there to the first entries.
     */
    private List<Threshold> global() throws IOException {
        progress.phase(
                "select entries of %d tensors".formatted(pairs.size()),
                3 * TensorPair.bytes(pairs));
        long[] high = new long[MagnitudeHistogram.HIGH_BINS];
        sum(high, (pair, counts) -> MagnitudeHistogram.addHigh(pair, counts));
        long kept = options.keptOf(pairs.stream().mapToLong(TensorPair::elements).sum());
        if (kept == 0) {
            return pairs.stream().map(_ -> Threshold.none()).toList();
        }
        var upper = Threshold.Boundary.of(high, kept);
        long[] low = new long[MagnitudeHistogram.LOW_BINS];
        sum(low, (pair, counts) -> MagnitudeHistogram.addLow(pair, upper.bin(), counts));
        var lower = Threshold.Boundary.of(low, upper.needed());
        List<Long> equal = workers.map(pairs, pair -> equal(pair, upper.bin(), lower.bin()));
        List<Threshold> thresholds = new ArrayList<>();
        long left = lower.needed();
        for (long count : equal) {
            long ties = Math.min(left, count);
            thresholds.add(new Threshold(upper.bin() << 16 | lower.bin(), ties));
            left -= ties;
        }
        return thresholds;
    }

    @FunctionalInterface
    private interface Counter {
        void count(TensorPair pair, long[] counts) throws IOException;
    }

    /** Counts are whole numbers: adding them under a lock gives the same sums in any order. */
    private void sum(long[] into, Counter counter) throws IOException {
        workers.map(
                pairs,
                pair -> {
                    long[] counts = new long[into.length];
                    counter.count(pair, counts);
                    synchronized (into) {
                        for (int i = 0; i < into.length; i++) {
                            into[i] += counts[i];
                        }
                    }
                    progress.advance(pair.bytes());
                    return pair;
                });
    }

    private long equal(TensorPair pair, int highBin, int lowBin) throws IOException {
        long[] low = new long[MagnitudeHistogram.LOW_BINS];
        MagnitudeHistogram.addLow(pair, highBin, low);
        progress.advance(pair.bytes());
        return low[lowBin];
    }
}
