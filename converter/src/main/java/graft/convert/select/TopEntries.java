package graft.convert.select;

import graft.convert.plan.Progress;
import graft.convert.plan.TensorPair;
import graft.convert.plan.Workers;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicLong;

/** Thresholds of the largest entries over several tensors together. Safe from any thread. */
public final class TopEntries {
    /** Magnitudes around the threshold that are held at most, of all tensors together. */
    private static final long MOST = 1 << 24;

    /** Samples that are held at most, 128 KiB each. */
    private static final int SAMPLES = 256;

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
        if (kept == 0) {
            return pairs.stream().map(_ -> Threshold.none()).toList();
        }
        Optional<List<Threshold>> found = byBand(kept);
        return found.isPresent() ? found.get() : byHistograms(kept);
    }

    /** A single pass, if a sample tells about where the threshold lies. */
    private Optional<List<Threshold>> byBand(long kept) throws IOException {
        progress.phase(
                "select entries of %d tensors".formatted(pairs.size()), TensorPair.bytes(pairs));
        var limits = MagnitudeBand.Limits.around(sampled(), kept);
        if (limits.isEmpty()) {
            return Optional.empty();
        }
        try (Arena arena = Arena.ofShared()) {
            var room = new AtomicLong(MOST);
            List<MagnitudeBand> bands =
                    workers.map(
                            pairs,
                            pair -> {
                                var band = MagnitudeBand.of(pair, limits, arena, room);
                                progress.advance(pair.bytes());
                                return band;
                            });
            long needed = kept - bands.stream().mapToLong(MagnitudeBand::above).sum();
            long[] counts = new long[limits.high() - limits.low()];
            if (room.get() >= 0) {
                bands.forEach(band -> band.addTo(counts));
            }
            if (needed < 1 || needed > Arrays.stream(counts).sum()) {
                return Optional.empty(); // the sample misled
            }
            var boundary = Threshold.Boundary.of(counts, needed);
            int bits = limits.low() + boundary.bin();
            return Optional.of(
                    thresholds(
                            bits,
                            boundary.needed(),
                            bands.stream().map(band -> band.equal(bits)).toList()));
        }
    }

    /** Samples of a block at a time, added in plan order: all at once would fill the heap. */
    private double[] sampled() throws IOException {
        double[] counts = new double[MagnitudeSample.BINS];
        for (int from = 0; from < pairs.size(); from += SAMPLES) {
            int to = Math.min(from + SAMPLES, pairs.size());
            for (MagnitudeSample sample :
                    workers.map(pairs.subList(from, to), MagnitudeSample::of)) {
                sample.addTo(counts);
            }
        }
        return counts;
    }

    /** Three passes in constant memory, whatever the values. */
    private List<Threshold> byHistograms(long kept) throws IOException {
        progress.phase(
                "select entries of %d tensors".formatted(pairs.size()),
                3 * TensorPair.bytes(pairs));
        long[] high = new long[MagnitudeHistogram.HIGH_BINS];
        sum(high, MagnitudeHistogram::addHigh);
        var upper = Threshold.Boundary.of(high, kept);
        long[] low = new long[MagnitudeHistogram.LOW_BINS];
        sum(low, (pair, counts) -> MagnitudeHistogram.addLow(pair, upper.bin(), counts));
        var lower = Threshold.Boundary.of(low, upper.needed());
        List<Long> equal = workers.map(pairs, pair -> equal(pair, upper.bin(), lower.bin()));
        return thresholds(upper.bin() << 16 | lower.bin(), lower.needed(), equal);
    }

    private static List<Threshold> thresholds(int bits, long ties, List<Long> equal) {
        List<Threshold> thresholds = new ArrayList<>();
        long left = ties;
        for (long count : equal) {
            long taken = Math.min(left, count);
            thresholds.add(new Threshold(bits, taken));
            left -= taken;
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
