package graft.convert.select;

import graft.convert.plan.TensorPair;

import org.jspecify.annotations.Nullable;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;

/**
 * The largest entries of one residual, gathered in a single pass: all that reach a floor, which
 * lies a little below the threshold. All that follows looks at these few alone. Of the others it
 * keeps the energy and the largest.
 *
 * <p>Sums are float64, in a fixed order: for what the pass leaves behind one for each place of a
 * {@link FloorScan#PART}, as a single one would wait for its last addition; then entry by entry. At
 * most 60 MiB of native memory. Not thread-safe.
 */
public final class LargestEntries implements AutoCloseable {
    /** Entries that are held at most. */
    private static final int MOST = 5 << 20;

    /** Entries held together, which stay in the first cache. */
    private static final int BLOCK = 1 << 11;

    private static final long BLOCK_BYTES = 3L * Integer.BYTES * BLOCK;

    private final TensorPair pair;
    private final int floor;
    private final Blocks blocks;
    private final boolean ownsBlocks;
    private final List<MemorySegment> full = new ArrayList<>();
    private Entries last = new Entries(BLOCK + FloorScan.PART); // not yet a block
    private final long[] high = new long[1 << 15]; // entries by the top 16 bits of their magnitude
    private long count;
    private double restEnergy;
    private double restLargest;
    private boolean restIsBelowFloor = true;

    private LargestEntries(TensorPair pair, int floor, Blocks blocks, boolean ownsBlocks) {
        this.pair = pair;
        this.floor = floor;
        this.blocks = blocks;
        this.ownsBlocks = ownsBlocks;
    }

    /**
     * Native memory that is used again for the next tensor: what the system gives anew it clears
     * first, page by page. Safe from any thread until it is closed.
     */
    public static final class Blocks implements AutoCloseable {
        private final Arena arena = Arena.ofShared();
        private final Queue<MemorySegment> free = new ConcurrentLinkedQueue<>();

        private MemorySegment take() {
            MemorySegment block = free.poll();
            return block == null ? arena.allocate(BLOCK_BYTES, 64) : block;
        }

        private void give(List<MemorySegment> some) {
            free.addAll(some);
            some.clear();
        }

        @Override
        public void close() {
            arena.close();
        }
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

        /** Flat indices, as many as there are entries; not to be changed. */
        public int[] indices() {
            return indices;
        }

        /** The base's values; see {@link #indices}. */
        public float[] bases() {
            return bases;
        }

        /** The model's values; see {@link #indices}. */
        public float[] models() {
            return models;
        }

        private int magnitude(int entry) {
            return MagnitudeHistogram.magnitude(bases[entry], models[entry]);
        }

        /** Adds what was found, leaving a residual of zero in its place. */
        private void take(FloorScan scan, int found, long first, float[] base, float[] model) {
            for (int j = 0; j < found; j++) {
                int i = scan.found(j);
                indices[count + j] = (int) first + i;
                bases[count + j] = base[i];
                models[count + j] = model[i];
                model[i] = base[i];
            }
            count += found;
        }

        /** The first of them fill the block, the others move up. */
        private void moveTo(MemorySegment block) {
            MemorySegment.copy(indices, 0, block, ValueLayout.JAVA_INT, 0, BLOCK);
            MemorySegment.copy(bases, 0, block, ValueLayout.JAVA_FLOAT, 4L * BLOCK, BLOCK);
            MemorySegment.copy(models, 0, block, ValueLayout.JAVA_FLOAT, 8L * BLOCK, BLOCK);
            count -= BLOCK;
            System.arraycopy(indices, BLOCK, indices, 0, count);
            System.arraycopy(bases, BLOCK, bases, 0, count);
            System.arraycopy(models, BLOCK, models, 0, count);
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
        var entries = new LargestEntries(pair, floor, new Blocks(), true);
        try {
            var pass = new Pass(entries, MOST, new FloorScan());
            boolean fits = pair.walkWhile(FloorScan.PART, pass::take);
            if (!pass.end()) {
                MagnitudeHistogram.checkFinite(pair);
            }
            if (fits) {
                return Optional.of(entries);
            }
        } catch (Throwable e) {
            entries.close();
            throw e;
        }
        entries.close();
        return Optional.empty();
    }

    /** What is needed only while entries are gathered. */
    private static final class Pass {
        private final LargestEntries entries;
        private final long most;
        private final FloorScan scan;
        private final double[] sums = new double[FloorScan.PART];

        Pass(LargestEntries entries, long most, FloorScan scan) {
            this.entries = entries;
            this.most = most;
            this.scan = scan;
        }

        /** The next part; says whether entries still fit. */
        boolean take(long first, float[] base, float[] model, int n) {
            int found = scan.scan(base, model, n, entries.floor);
            for (int j = 0; j < found; j++) {
                entries.high[scan.magnitude(scan.found(j)) >>> 16]++;
            }
            entries.last.take(scan, found, first, base, model);
            addSquares(sums, base, model, n);
            entries.store();
            return entries.count + entries.last.count <= most;
        }

        /** After the last part; says whether all residuals were finite. */
        boolean end() {
            for (double sum : sums) {
                entries.restEnergy += sum;
            }
            boolean finite = Double.isFinite(entries.restEnergy);
            for (int bin = MagnitudeHistogram.HIGH_BINS; bin < entries.high.length; bin++) {
                finite &= entries.high[bin] == 0;
            }
            entries.count += entries.last.count;
            return finite;
        }
    }

    /** A part of a tensor. */
    @FunctionalInterface
    public interface Part {
        /** Looks at {@code count} elements from {@code first} on. */
        void visit(long first, int count) throws IOException;
    }

    /** The parts of a tensor by which {@link Gathering} guesses a floor. */
    public static void sample(long elements, Part part) throws IOException {
        MagnitudeSample.visit(elements, part);
    }

    /**
     * Gathers the same as {@link #of} from tiles that somebody else walks: first those of {@link
     * #sample}, then all in ascending order. What cannot be told so is left to that.
     */
    public static final class Gathering implements AutoCloseable {
        private final TensorPair pair;
        private final long k;
        private final long most;
        private final Blocks blocks;
        private final FloorScan scan;
        private final MagnitudeSample sample;
        private @Nullable LargestEntries entries;
        private @Nullable Pass pass;
        private boolean fits = true;

        /**
         * @param pair of at most 2^31 − 1 elements; not read
         * @param k at least so many
         * @param most entries to hold; what needs more is given up
         * @param others of the same thread, in turn with which this one scans tiles
         * @param blocks where entries are held; not closed before this
         */
        public Gathering(
                TensorPair pair, long k, long most, List<Gathering> others, Blocks blocks) {
            this.blocks = blocks;
            this.scan = others.isEmpty() ? new FloorScan() : others.getFirst().scan;
            this.pair = pair;
            this.k = k;
            this.most = Math.min(most, MOST);
            this.sample = MagnitudeSample.empty(pair.elements());
        }

        /** A part of the sample. */
        public void look(float[] base, float[] model, int count) {
            sample.add(base, model, count);
        }

        /**
         * The next tile, of at most 2048 elements.
         *
         * @param model is changed
         */
        public void take(long first, float[] base, float[] model, int count) {
            if (pass == null) {
                entries = new LargestEntries(pair, sample.floor(k, 0), blocks, false);
                pass = new Pass(entries, most, scan);
            }
            fits = fits && pass.take(first, base, model, count);
        }

        /** After the last tile: the entries, which {@link #close} closes; empty if given up. */
        public Optional<LargestEntries> end() {
            if (pass == null || entries == null || !pass.end() || !fits) {
                return Optional.empty();
            }
            boolean enough = entries.count >= k || entries.floor == MagnitudeSample.LOWEST;
            return enough ? Optional.of(entries) : Optional.empty();
        }

        @Override
        public void close() {
            if (entries != null) {
                entries.close();
            }
        }
    }

    private void store() {
        if (last.count < BLOCK) {
            return;
        }
        MemorySegment block = blocks.take();
        last.moveTo(block);
        full.add(block);
        count += BLOCK;
    }

    private static void addSquares(double[] sums, float[] base, float[] model, int n) {
        for (int i = 0; i < n; i++) {
            double u = (double) model[i] - (double) base[i];
            sums[i] += u * u;
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
        var upper = Threshold.Boundary.of(high, k);
        long[] low = new long[MagnitudeHistogram.LOW_BINS];
        walk(entries -> {
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
    public void keep(Threshold threshold) {
        var entries = new Entries(BLOCK);
        var kept = new Entries(2 * BLOCK);
        long all = count;
        long ties = threshold.ties();
        int stored = 0;
        for (MemorySegment block : full) {
            entries.copyFrom(block);
            ties = divide(entries, threshold.bits(), ties, kept);
            if (kept.count >= BLOCK) {
                kept.moveTo(full.get(stored++)); // at most as many as were read
            }
        }
        divide(last, threshold.bits(), ties, kept);
        if (kept.count >= BLOCK) {
            kept.moveTo(full.get(stored++));
        }
        blocks.give(full.subList(stored, full.size()));
        last = kept;
        count = (long) stored * BLOCK + kept.count;
        restIsBelowFloor &= count == all;
    }

    /**
     * Hands on what is above {@code bits}, and the first {@code ties} of what ties with it.
     *
     * @return ties that are left
     */
    private long divide(Entries entries, int bits, long ties, Entries kept) {
        long left = ties;
        int to = kept.count;
        for (int j = 0; j < entries.count; j++) {
            int magnitude = entries.magnitude(j);
            kept.indices[to] = entries.indices[j];
            kept.bases[to] = entries.bases[j];
            kept.models[to] = entries.models[j];
            if (magnitude > bits) {
                to++;
            } else if (magnitude == bits && left > 0) {
                to++;
                left--;
            } else {
                double u = (double) entries.models[j] - entries.bases[j];
                restEnergy += u * u;
                restLargest = Math.max(restLargest, Math.abs(u));
            }
        }
        kept.count = to;
        return left;
    }

    /** Visits the entries that are kept, or all if nothing was said, in ascending order. */
    public void walk(Visitor visitor) throws IOException {
        var entries = new Entries(BLOCK);
        for (MemorySegment block : full) {
            entries.copyFrom(block);
            visitor.visit(entries);
        }
        visitor.visit(last);
    }

    /** How many entries a visit sees at most. */
    public int most() {
        return Math.max(BLOCK, last.indices.length);
    }

    /** Entries that are kept. */
    public long count() {
        return count;
    }

    /** Σu² of all others. */
    public double restEnergy() {
        return restEnergy;
    }

    /** Whether all is known of the others; else {@link #restLargest} takes a pass of its own. */
    public boolean isComplete() {
        return !(restIsBelowFloor && restEnergy > 0);
    }

    /** The largest |u| of all others, as a float64 has it; rarely needs a pass of its own. */
    double restLargest() throws IOException {
        if (!isComplete()) {
            restIsBelowFloor = false;
            pair.walk((_, base, model, n) -> seeBelowFloor(base, model, n));
        }
        return restLargest;
    }

    /** Many a float64 rounds to the same float32: those that tie are compared again. */
    private void seeBelowFloor(float[] base, float[] model, int n) {
        float limit = Float.intBitsToFloat(floor);
        float largest = Math.max(Float.MIN_VALUE, (float) restLargest);
        for (int i = 0; i < n; i++) {
            float magnitude = Math.abs(model[i] - base[i]);
            if (magnitude >= largest && magnitude < limit) {
                largest = magnitude;
                restLargest = Math.max(restLargest, Math.abs((double) model[i] - base[i]));
            }
        }
    }

    @Override
    public void close() {
        if (ownsBlocks) {
            blocks.close();
        } else {
            blocks.give(full);
        }
    }
}
