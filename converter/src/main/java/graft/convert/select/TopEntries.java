package graft.convert.select;

import graft.convert.plan.Progress;
import graft.convert.plan.TensorPair;
import graft.convert.plan.Workers;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;

/** Thresholds of the largest entries over several tensors together. Safe from any thread. */
public final class TopEntries {
    private final List<TensorPair> pairs;
    private final Workers workers;
    private final Progress progress;

    /**
     * @param pairs in the order in which equal entries take precedence
     */
    public TopEntries(List<TensorPair> pairs, Workers workers, Progress progress) {
        this.pairs = List.copyOf(pairs);
        this.workers = workers;
        this.progress = progress;
    }

    /**
     * Over all tensors: equal entries at the threshold go to the first tensors, and there to the
     * first entries.
     *
     * @param kept entries to keep of all together
     */
    public List<Threshold> all(long kept) throws IOException {
        progress.phase(
                "select entries of %d tensors".formatted(pairs.size()),
                3 * TensorPair.bytes(pairs));
        long[] high = new long[MagnitudeHistogram.HIGH_BINS];
        sum(high, MagnitudeHistogram::addHigh);
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
