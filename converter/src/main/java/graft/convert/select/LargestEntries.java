package graft.convert.select;

import graft.convert.plan.TensorPair;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/**
 * The largest entries of one residual, gathered in a single pass: all that reach a floor, which
 * lies a little below the threshold. All that follows looks at these few alone. Of the others it
 * keeps the energy and the largest.
 *
 * <p>Sums are float64, in a fixed order: {@link #LANES} interleaved columns for what the pass
 * leaves behind, then entry by entry. At most 60 MiB of native memory. Not thread-safe.
 */
public final class LargestEntries implements AutoCloseable {
    /** Entries that are held at most. */
    private static final int MOST = 5 << 20;

    private static final int BLOCK = 1 << 14;

    /** Elements looked at together: they stay in the first cache. */
    private static final int PART = 1 << 12;

    /** Sums side by side: a single one waits for its last addition, six times slower. */
    private static final int LANES = 256;

    private final TensorPair pair;
    private final float floor;
    private final Arena arena = Arena.ofConfined();
    private final List<MemorySegment> full = new ArrayList<>();
    private final Entries last = new Entries(BLOCK + PART);
    private Threshold kept = new Threshold(0, 0);
    private long count;
    private double restEnergy;
    private double restLargest;
    private boolean restIsBelowFloor = true;

    private LargestEntries(TensorPair pair, int floor) {
        this.pair = pair;
        this.floor = Float.intBitsToFloat(floor);
    }

    /** Sees some entries, in ascending order from call to call. */
    @FunctionalInterface
    public interface Visitor {
        /**
         * @param entries used again for the next call
         */
        void visit(Entries entries) throws IOException;
    }

    /** Some entries, column by column. */
    public static final class Entries {
        private final int[] indices;
        private final float[] bases;
        private final float[] models;
        private int count;

        private Entries(int most) {
            this.indices = new int[most];
            this.bases = new float[most];
            this.models = new float[most];
        }

        /** How many they are. */
        public int count() {
            return count;
        }

        /** Flat index of an entry. */
        public long index(int entry) {
            return indices[entry];
        }

        /** The base's value. */
        public float base(int entry) {
            return bases[entry];
        }

        /** The model's value. */
        public float model(int entry) {
            return models[entry];
        }

        /** Model − base, rounded to float32. */
        public float residual(int entry) {
            return models[entry] - bases[entry];
        }

        private int magnitude(int entry) {
            return MagnitudeHistogram.magnitude(bases[entry], models[entry]);
        }

        private void move(int from, int to) {
            indices[to] = indices[from];
            bases[to] = bases[from];
            models[to] = models[from];
        }

        /** Adds what reaches {@code floor}, leaving a residual of zero in its place. */
        private void take(float floor, long first, float[] base, float[] model, int from, int to) {
            int start = count;
            int found = start;
            for (int i = from; i < to; i++) {
                if (Math.abs(model[i] - base[i]) >= floor) {
                    indices[found++] = i;
                }
            }
            for (int j = start; j < found; j++) {
                int i = indices[j];
                indices[j] = (int) first + i;
                bases[j] = base[i];
                models[j] = model[i];
                model[i] = base[i];
            }
            count = found;
        }

        /** Drops what is below {@code bits}, and all ties but the first {@code ties}. */
        private long filter(int bits, long ties) {
            long left = ties;
            int kept = 0;
            for (int j = 0; j < count; j++) {
                int magnitude = magnitude(j);
                if (magnitude > bits || magnitude == bits && left > 0) {
                    left -= magnitude == bits ? 1 : 0;
                    move(j, kept++);
                }
            }
            count = kept;
            return left;
        }

        private boolean isFinite() {
            float largest = 0;
            for (int j = 0; j < count; j++) {
                largest = Math.max(largest, Math.abs(models[j] - bases[j]));
            }
            return Float.isFinite(largest);
        }

        private MemorySegment copyTo(Arena arena) {
            MemorySegment block = arena.allocate(3L * Integer.BYTES * BLOCK, 64);
            MemorySegment.copy(indices, 0, block, ValueLayout.JAVA_INT, 0, BLOCK);
            MemorySegment.copy(bases, 0, block, ValueLayout.JAVA_FLOAT, 4L * BLOCK, BLOCK);
            MemorySegment.copy(models, 0, block, ValueLayout.JAVA_FLOAT, 8L * BLOCK, BLOCK);
            return block;
        }

        private void copyFrom(Entries other) {
            System.arraycopy(other.indices, 0, indices, 0, other.count);
            System.arraycopy(other.bases, 0, bases, 0, other.count);
            System.arraycopy(other.models, 0, models, 0, other.count);
            count = other.count;
        }

        private void copyFrom(MemorySegment block) {
            MemorySegment.copy(block, ValueLayout.JAVA_INT, 0, indices, 0, BLOCK);
            MemorySegment.copy(block, ValueLayout.JAVA_FLOAT, 4L * BLOCK, bases, 0, BLOCK);
            MemorySegment.copy(block, ValueLayout.JAVA_FLOAT, 8L * BLOCK, models, 0, BLOCK);
            count = BLOCK;
        }
    }

    /**
     * At least the {@code k} largest, as far as they are not zero.
     *
     * @return empty if they are too many to hold: walk them then
     * @throws graft.convert.ConversionException.UnusableValues at the first NaN or infinity
     */
    public static Optional<LargestEntries> of(TensorPair pair, long k) throws IOException {
        if (k > MOST) {
            return Optional.empty();
        }
        MagnitudeSample sample = MagnitudeSample.of(pair);
        for (double margin : new double[] {0, 0.5}) { // the sample may mislead
            int floor = sample.floor(k, margin);
            Optional<LargestEntries> entries = gather(pair, floor);
            if (entries.isEmpty() || entries.get().count >= k || floor == MagnitudeSample.LOWEST) {
                return entries;
            }
            entries.get().close();
        }
        return Optional.empty();
    }

    /**
     * What {@code threshold} keeps, and a little more.
     *
     * @return empty if that is too much to hold
     * @throws graft.convert.ConversionException.UnusableValues at the first NaN or infinity
     */
    public static Optional<LargestEntries> above(TensorPair pair, Threshold threshold)
            throws IOException {
        int floor = Math.clamp((long) threshold.bits() - (1 << 16), 1, MagnitudeHistogram.LARGEST);
        return gather(pair, floor);
    }

    private static Optional<LargestEntries> gather(TensorPair pair, int floor) throws IOException {
        if (pair.elements() > Integer.MAX_VALUE) {
            return Optional.empty();
        }
        var entries = new LargestEntries(pair, floor);
        try {
            if (entries.gather()) {
                return Optional.of(entries);
            }
        } catch (Throwable e) {
            entries.close();
            throw e;
        }
        entries.close();
        return Optional.empty();
    }

    private boolean gather() throws IOException {
        double[] sums = new double[LANES];
        boolean fits =
                pair.walkWhile((first, base, model, n) -> {
                    for (int from = 0; from < n; from += PART) {
                        int to = Math.min(from + PART, n);
                        last.take(floor, first, base, model, from, to);
                        addSquares(sums, base, model, from, to);
                        store();
                    }
                    return count + last.count <= MOST;
                });
        for (double sum : sums) {
            restEnergy += sum;
        }
        boolean finite = Double.isFinite(restEnergy) && last.isFinite();
        count += last.count;
        if (!finite) {
            MagnitudeHistogram.checkFinite(pair);
        }
        return fits;
    }

    private void store() throws IOException {
        if (last.count < BLOCK) {
            return;
        }
        if (!last.isFinite()) {
            MagnitudeHistogram.checkFinite(pair);
        }
        full.add(last.copyTo(arena));
        for (int j = BLOCK; j < last.count; j++) {
            last.move(j, j - BLOCK);
        }
        last.count -= BLOCK;
        count += BLOCK;
    }

    private static void addSquares(double[] sums, float[] base, float[] model, int from, int to) {
        int first = from;
        for (; first + LANES <= to; first += LANES) {
            addRow(sums, base, model, first);
        }
        for (int i = first; i < to; i++) {
            double u = (double) model[i] - base[i];
            sums[i - first] += u * u;
        }
    }

    private static void addRow(double[] sums, float[] base, float[] model, int first) {
        for (int j = 0; j < LANES; j++) {
            double u = (double) model[first + j] - (double) base[first + j];
            sums[j] += u * u;
        }
    }

    /** Where the k-th largest lies, exactly; {@code k} as given to {@link #of}. */
    public Threshold threshold(long k) throws IOException {
        if (k == 0) {
            return Threshold.none();
        }
        if (count < k) {
            return new Threshold(0, k - count); // all that are not zero, and some that are
        }
        long[] high = new long[MagnitudeHistogram.HIGH_BINS];
        gathered(entries -> {
            for (int j = 0; j < entries.count; j++) {
                high[entries.magnitude(j) >>> 16]++;
            }
        });
        var upper = Threshold.Boundary.of(high, k);
        long[] low = new long[MagnitudeHistogram.LOW_BINS];
        gathered(entries -> {
            for (int j = 0; j < entries.count; j++) {
                int magnitude = entries.magnitude(j);
                if (magnitude >>> 16 == upper.bin()) {
                    low[magnitude & 0xffff]++;
                }
            }
        });
        var lower = Threshold.Boundary.of(low, upper.needed());
        return new Threshold(upper.bin() << 16 | lower.bin(), lower.needed());
    }

    /** Narrows to what {@code threshold} keeps; the others count as left behind. Once. */
    public void keep(Threshold threshold) throws IOException {
        kept = threshold;
        long all = count;
        count = 0;
        walk(entries -> count += entries.count);
        if (count == all) {
            return;
        }
        restIsBelowFloor = false;
        long[] ties = {threshold.ties()};
        gathered(entries -> {
            for (int j = 0; j < entries.count; j++) {
                int magnitude = entries.magnitude(j);
                boolean isKept =
                        magnitude > threshold.bits()
                                || magnitude == threshold.bits() && ties[0]-- > 0;
                if (!isKept) {
                    double u = (double) entries.models[j] - entries.bases[j];
                    restEnergy += u * u;
                    restLargest = Math.max(restLargest, Math.abs(u));
                }
            }
        });
    }

    /** Visits the entries that are kept, or all if nothing was said, in ascending order. */
    public void walk(Visitor visitor) throws IOException {
        long[] ties = {kept.ties()};
        gathered(entries -> {
            ties[0] = entries.filter(kept.bits(), ties[0]);
            visitor.visit(entries);
        });
    }

    private void gathered(Visitor visitor) throws IOException {
        var entries = new Entries(BLOCK);
        for (MemorySegment block : full) {
            entries.copyFrom(block);
            visitor.visit(entries);
        }
        entries.copyFrom(last);
        visitor.visit(entries);
    }

    /** Entries that are kept. */
    public long count() {
        return count;
    }

    /** Σu² of all others. */
    public double restEnergy() {
        return restEnergy;
    }

    /** The largest |u| of all others, as a float64 has it; rarely needs a pass of its own. */
    double restLargest() throws IOException {
        if (restIsBelowFloor && restEnergy > 0) {
            restIsBelowFloor = false;
            pair.walk((_, base, model, n) -> seeBelowFloor(base, model, n));
        }
        return restLargest;
    }

    /** Many a float64 rounds to the same float32: those that tie are compared again. */
    private void seeBelowFloor(float[] base, float[] model, int n) {
        float largest = Math.max(Float.MIN_VALUE, (float) restLargest);
        for (int i = 0; i < n; i++) {
            float magnitude = Math.abs(model[i] - base[i]);
            if (magnitude >= largest && magnitude < floor) {
                largest = magnitude;
                restLargest = Math.max(restLargest, Math.abs((double) model[i] - base[i]));
            }
        }
    }

    @Override
    public void close() {
        arena.close();
    }
}
