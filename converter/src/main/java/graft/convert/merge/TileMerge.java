package graft.convert.merge;

import graft.convert.ConversionException;
import graft.convert.plan.TensorPair;
import graft.convert.plan.TileWatcher;
import graft.convert.select.Threshold;
import graft.formats.FileSpot;
import graft.formats.delta.CounterRandom;
import graft.formats.tensor.DType;
import graft.formats.tensor.Elements;
import graft.formats.tensor.Narrower;
import graft.formats.tensor.TensorSink;
import graft.formats.tensor.Widener;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;

/**
 * Merges one tensor, tile by tile over all fine-tunes side by side. Differences are taken in
 * float32, sums in float64 in the order of the fine-tunes, and rounded once. One use, one thread.
 */
final class TileMerge {
    /**
     * Elements that are merged together; their arrays stay in the second cache, if not the first.
     */
    private static final int TILE = 1 << 11;

    /**
     * Elements that are written together: few calls, and what is written is hashed in the cache.
     */
    private static final int WRITTEN = 1 << 17;

    private static final int PAGE_BYTES = 4096;

    private static final double NO_WEIGHT = 1e-8; // as mergekit's

    /** Entries of one task vector that are kept: above {@code low}, but not above {@code high}. */
    record Trim(Threshold low, Threshold high) {}

    private final MergeItem item;
    private final MergeOptions options;
    private final List<Trim> trims;
    private final double[] weights;
    private final List<CounterRandom> random = new ArrayList<>();
    private final long[] lowTies;
    private final long[] highTies;

    /**
     * @param trims one per fine-tune where the method trims, none otherwise
     */
    TileMerge(MergeItem item, MergeOptions options, List<Trim> trims) {
        this.item = item;
        this.options = options;
        this.trims = trims;
        int models = item.pairs().size();
        this.weights = new double[models];
        for (int m = 0; m < models; m++) {
            weights[m] = options.weightOf(m, item.info().name());
            random.add(
                    new CounterRandom(
                            item.info().name(),
                            options.seed() + m * 0x9E3779B9L & CounterRandom.SEEDS - 1));
        }
        this.lowTies = trims.stream().mapToLong(t -> t.low().ties()).toArray();
        this.highTies = trims.stream().mapToLong(t -> t.high().ties()).toArray();
    }

    /**
     * @param watch who sees the tiles
     * @throws ConversionException.UnusableValues at the first NaN or infinity of the result
     */
    void run(TensorSink out, Optional<TileWatcher.Watch> watch) throws IOException {
        long elements = item.info().shape().elements();
        DType type = item.out().dtype();
        var tiles = new Tiles(0, elements, watch.isPresent());
        int most = (int) Math.clamp(elements, 1, WRITTEN);
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment written = arena.allocate((long) most * type.bytes(), PAGE_BYTES);
            for (long first = 0; first < elements; first += most) {
                int count = (int) Math.min(most, elements - first);
                for (int at = 0; at < count; at += TILE) {
                    int some = Math.min(TILE, count - at);
                    tiles.merge(first + at, some);
                    tiles.narrower.store(tiles.merged, some, written, at);
                    if (watch.isPresent()) {
                        watch.get().visit(first + at, tiles.merged, tiles.models, some);
                    }
                }
                out.write(
                        item.info().name(),
                        first * type.bytes(),
                        written.asSlice(0, (long) count * type.bytes()));
            }
        }
        if (watch.isPresent()) {
            watch.get().end();
        }
    }

    /** Merges a part for somebody; only where no trimming remembers what it saw before. */
    void preview(long first, int count, TileWatcher.Tiles seen) throws IOException {
        var tiles = new Tiles(first, count, true);
        for (int at = 0; at < count; at += TILE) {
            int some = Math.min(TILE, count - at);
            tiles.merge(first + at, some);
            seen.visit(first + at, tiles.merged, tiles.models, some);
        }
    }

    /** A tile of every model, in arrays that are used again for the next. */
    private final class Tiles {
        private final long start;
        private final float[] merged = new float[TILE]; // the base's, at first
        private final Narrower narrower = new Narrower(item.out().dtype(), TILE);
        private final float[][] models = new float[item.pairs().size()][];
        private final float[][] vectors = new float[item.pairs().size()][TILE];
        private final double[] sum = new double[TILE];
        private final Widener ofBase;
        private final List<Widener> ofModels = new ArrayList<>();

        /**
         * @param apart whether tiles of models are kept apart, to be shown
         */
        Tiles(long start, long length, boolean apart) {
            this.start = start;
            this.ofBase =
                    widener(
                            item.info().dtype(),
                            item.pairs().getFirst().baseBytes(),
                            start,
                            length);
            for (int m = 0; m < models.length; m++) {
                models[m] = apart || m == 0 ? new float[TILE] : models[0];
                TensorPair pair = item.pairs().get(m);
                ofModels.add(widener(pair.model().dtype(), pair.modelBytes(), start, length));
            }
        }

        private static Widener widener(DType type, MemorySegment bytes, long start, long length) {
            return new Widener(type, bytes.asSlice(start * type.bytes(), length * type.bytes()));
        }

        /** Merges elements from {@code first} on, as they are stored. */
        void merge(long first, int count) throws IOException {
            ofBase.widen(first - start, merged, 0, count);
            for (int m = 0; m < vectors.length; m++) {
                ofModels.get(m).widen(first - start, models[m], 0, count);
                vector(m, first, merged, models[m], vectors[m], count);
            }
            join(first, vectors, sum, count);
            addTo(merged, sum, count);
            if (!narrower.round(merged, count)) {
                throw notFinite(first, count);
            }
        }

        private ConversionException notFinite(long first, int count) {
            for (int i = 0; i < count; i++) {
                if (!Float.isFinite(Elements.round(item.out().dtype(), merged[i]))) {
                    return TileMerge.this.notFinite(first + i, merged[i]);
                }
            }
            throw new IllegalStateException("all are finite");
        }

        private static void addTo(float[] base, double[] sum, int count) {
            for (int i = 0; i < count; i++) {
                base[i] = (float) (base[i] + sum[i]);
            }
        }
    }

    /** v_m in this tile, trimmed or thinned as the method has it. */
    private void vector(int m, long first, float[] base, float[] model, float[] v, int count)
            throws IOException {
        switch (options.method()) {
            case TIES, BREADCRUMBS -> {
                Arrays.fill(v, 0, count, 0);
                Trim trim = trims.get(m);
                lowTies[m] =
                        trim.low()
                                .walk(first, base, model, count, lowTies[m], (_, i, u) -> v[i] = u);
                highTies[m] =
                        trim.high()
                                .walk(
                                        first,
                                        base,
                                        model,
                                        count,
                                        highTies[m],
                                        (_, i, _) -> v[i] = 0);
            }
            case DARE, DARE_TIES -> {
                double density = options.densityOf(m, item.info().name());
                for (int i = 0; i < count; i++) {
                    boolean kept = random.get(m).at(first + i) < density;
                    v[i] = kept ? (float) ((model[i] - base[i]) / density) : 0;
                }
            }
            case MEAN, TASK_ARITHMETIC, EMR, FISHER, TSV, REGMEAN ->
                    subtract(base, model, v, count);
        }
    }

    private static void subtract(float[] base, float[] model, float[] v, int count) {
        for (int i = 0; i < count; i++) {
            v[i] = model[i] - base[i];
        }
    }

    private void join(long first, float[][] vectors, double[] merged, int count) {
        Arrays.fill(merged, 0, count, 0);
        switch (options.method()) {
            case TSV -> { // of a vector: the mean, times λ
                weigh(vectors, merged, count);
                for (int i = 0; i < count; i++) {
                    merged[i] /= vectors.length;
                }
            }
            case MEAN, REGMEAN -> sum(vectors, merged, count, 1.0 / vectors.length);
            case TASK_ARITHMETIC, DARE, BREADCRUMBS -> weigh(vectors, merged, count);
            case TIES, DARE_TIES -> elect(vectors, merged, count);
            case EMR -> largestElected(vectors, merged, count);
            case FISHER -> byStatistics(first, vectors, merged, count);
        }
    }

    /** The sum first, then the weight: with one weight for all, one rounding less. */
    private static void sum(float[][] vectors, double[] merged, int count, double weight) {
        for (float[] v : vectors) {
            for (int i = 0; i < count; i++) {
                merged[i] += v[i];
            }
        }
        for (int i = 0; i < count; i++) {
            merged[i] *= weight;
        }
    }

    private void weigh(float[][] vectors, double[] merged, int count) {
        double total = Arrays.stream(weights).sum();
        double lambda = options.lambdaOf(item.info().name(), 1);
        boolean divide = options.normalise() && Math.abs(total) >= NO_WEIGHT;
        double scale = divide ? lambda / total : lambda;
        if (Arrays.stream(weights).allMatch(w -> w == weights[0])) {
            sum(vectors, merged, count, weights[0] * scale);
            return;
        }
        for (int m = 0; m < vectors.length; m++) {
            for (int i = 0; i < count; i++) {
                merged[i] += weights[m] * scale * vectors[m][i];
            }
        }
    }

    /** How fine-tunes share the joined vector: their own weights, or alike. */
    private double electionWeight(int m) {
        return options.weights().isEmpty() ? 1 : weights[m];
    }

    private double lambda() {
        double given = options.weights().isEmpty() ? weights[0] : options.weight();
        return options.lambdaOf(item.info().name(), given);
    }

    private void elect(float[][] vectors, double[] merged, int count) {
        double lambda = lambda();
        for (int i = 0; i < count; i++) {
            double sum = 0;
            for (int m = 0; m < vectors.length; m++) {
                sum += electionWeight(m) * vectors[m][i];
            }
            double agreed = 0;
            double share = 0;
            for (int m = 0; m < vectors.length; m++) {
                double v = electionWeight(m) * vectors[m][i];
                if (v != 0 && v > 0 == sum >= 0) {
                    agreed += v;
                    share += electionWeight(m);
                }
            }
            double divisor = options.normalise() ? share : 1;
            merged[i] = Math.abs(divisor) < NO_WEIGHT ? 0 : lambda * agreed / divisor;
        }
    }

    private void largestElected(float[][] vectors, double[] merged, int count) {
        for (int i = 0; i < count; i++) {
            double sum = 0;
            for (float[] v : vectors) {
                sum += v[i];
            }
            double largest = 0;
            for (float[] v : vectors) {
                if (v[i] > 0 == sum > 0 && Math.abs(v[i]) > Math.abs(largest)) {
                    largest = v[i];
                }
            }
            merged[i] = lambda() * largest;
        }
    }

    private void byStatistics(long first, float[][] vectors, double[] merged, int count) {
        double[] total = new double[count];
        float[] statistic = new float[count];
        for (int m = 0; m < vectors.length; m++) {
            MergeItem.Statistic given = item.statistics().get(m);
            Elements.widen(given.info().dtype(), given.bytes(), first, statistic, 0, count);
            for (int i = 0; i < count; i++) {
                merged[i] += (double) statistic[i] * vectors[m][i];
                total[i] += statistic[i];
            }
        }
        for (int i = 0; i < count; i++) {
            if (total[i] > 0) {
                merged[i] /= total[i];
            } else { // no model cares: the mean
                merged[i] = 0;
                for (float[] v : vectors) {
                    merged[i] += (double) v[i] / vectors.length;
                }
            }
        }
    }

    private ConversionException notFinite(long index, float value) {
        return new ConversionException.UnusableValues(
                "tensor %s: element %d of the merged model would be %s"
                        .formatted(FileSpot.quote(item.info().name()), index, value),
                "a fine-tune holds NaN or infinity there; get it again or leave it out");
    }
}
