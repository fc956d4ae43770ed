package graft.formats.archive;

import java.util.Arrays;

/**
 * Codes floats that have no reference. The exponent and the highest mantissa bits make a value,
 * which gets a code word; the rest of the mantissa and the sign are noise and stay as bits. The
 * distribution of values depends on how large the numbers of a segment are, and mantissa bits that
 * are zero in a whole segment are left out, so that float32 of half precision costs no more than
 * half precision.
 *
 * <p>Buffers are reused: one instance per thread.
 */
final class PlainFloats {
    private static final int CLASSES = 32;
    private static final int MAX_VALUE_BITS = 10;
    private static final int MAX_VALUES = 1 << MAX_VALUE_BITS;
    private static final int MANTISSA_BITS = 2;
    private static final int MAX_SYMBOLS = 256;

    /** Values of a segment, two bytes each. */
    private static final int SEGMENT = 2 * FloatSegment.SIZE;

    /**
     * Segments of one table that are coded together, at most: what is read four times stays near.
     */
    private static final int TOGETHER = 64;

    private byte[] parts = new byte[FloatLanes.GROUP * SEGMENT];
    private byte[] classes = {};
    private byte[] zeros = {};
    private int[] levels = {};
    private final byte[] last = new byte[4 * FloatSegment.SIZE + BitWriter.SLACK_BYTES];

    /** Four counters for each value of each class: {@link #count}. */
    private int[] valueCounts = {};

    private final int[] contextCounts = new int[CLASSES << 8];
    private final int[] values = new int[MAX_SYMBOLS];
    private final byte[] sizes = new byte[MAX_SYMBOLS << 4];
    private final long[][] words = new long[SymbolModel.MAX_TABLES][MAX_VALUES];
    private final char[][] entries = new char[SymbolModel.MAX_TABLES][HuffmanCode.TOTAL];
    private HuffmanStreams streams = new HuffmanStreams(0);
    private SideStream side = new SideStream(0);
    private SideStream precision = new SideStream(0);

    private int lowestClass;
    private int valueCount;
    private int mantissaBits;
    private Contexts contexts = Contexts.join(new int[1 << 8], 1, 1);

    /** Makes room for what a block of that many elements needs; little in most types of them. */
    private void grow(int count) {
        int segments = FloatSegment.segments(count);
        if (segments > zeros.length) {
            segments = Integer.highestOneBit(2 * segments - 1); // not for every block anew
            classes = new byte[segments];
            zeros = new byte[segments];
            side = new SideStream(segments);
            precision = new SideStream(segments);
        }
    }

    private void growForEncoding(int count) {
        grow(count);
        if (zeros.length > levels.length) {
            levels = new int[zeros.length];
            parts = new byte[zeros.length * SEGMENT];
            streams = new HuffmanStreams(zeros.length * FloatSegment.SIZE);
        }
        if (valueCounts.length == 0) {
            valueCounts = new int[CLASSES << MAX_VALUE_BITS + 2];
        }
    }

    /** Bytes that {@link #encode} will take, nearly; must come before it. */
    long analyse(byte[] raw, int count, ElementType type) {
        growForEncoding(count);
        int most = type.bytes() == 1 ? type.mantissaBits() : MANTISSA_BITS;
        for (mantissaBits = most; ; mantissaBits--) {
            long rawBits = measure(raw, count, type);
            if (collectValues(type)) {
                int[] counts = contextCounts;
                Arrays.fill(counts, 0);
                for (int c = lowestClass; c < CLASSES; c++) {
                    for (int i = 0; i < valueCount; i++) {
                        counts[c << 8 | i] = counted(c, values[i]);
                    }
                }
                contexts = Contexts.join(counts, CLASSES, valueCount);
                return (long) (contexts.bits() + rawBits + 2 * FloatSegment.segments(count)) / 8;
            }
        }
    }

    /** Share of elements that are ±0; after {@link #analyse}. */
    double shareOfZeros(int count) {
        return values[0] == 0 ? share(0, count) : 0;
    }

    /** Share of elements that have the commonest value; after {@link #analyse}. */
    double largestShare(int count) {
        double largest = 0;
        for (int i = 0; i < valueCount; i++) {
            largest = Math.max(largest, share(i, count));
        }
        return largest;
    }

    private double share(int symbol, int count) {
        long sum = 0;
        for (int t = 0; t < contexts.tables(); t++) {
            sum += contexts.counts()[t << 8 | symbol];
        }
        return (double) sum / Math.max(1, count);
    }

    /** Values, classes, zero bits, counts of values by class; returns the bits left as they are. */
    private long measure(byte[] raw, int count, ElementType type) {
        int segments = FloatSegment.segments(count);
        var lanes = new FloatLanes(type, mantissaBits);
        for (int first = 0, end; first < segments; first = end) {
            end = group(first, count);
            measure(raw, first, end, count, type, lanes);
        }
        classify(segments);
        countAll(segments, count);
        return rawBits(segments, count, type.mantissaBits() - mantissaBits);
    }

    /** Values, zero bits and levels of a group of segments. */
    private void measure(
            byte[] raw, int first, int end, int count, ElementType type, FloatLanes lanes) {
        int bytes = FloatSegment.SIZE * type.bytes();
        int n = Math.min(FloatSegment.SIZE, count - first * FloatSegment.SIZE);
        byte[] from = whole(raw, first, n, type);
        int at = from == raw ? first * bytes : 0;
        lanes.split(from, at, (end - first) * bytes, parts, first * SEGMENT);
        for (int s = first; s < end; s++) {
            zeros[s] = (byte) lanes.zeros(from, at + (s - first) * bytes, bytes);
            // half an octave per level: the mean of exponents with one mantissa bit
            levels[s] = (sum(s) << 1 >>> mantissaBits) / n;
        }
    }

    /** Classes are levels, the highest one's the last. */
    private void classify(int segments) {
        int highest = 0;
        for (int s = 0; s < segments; s++) {
            highest = Math.max(highest, levels[s]);
        }
        lowestClass = CLASSES - 1;
        for (int s = 0; s < segments; s++) {
            classes[s] = (byte) Math.max(0, levels[s] - highest + CLASSES - 1);
            lowestClass = Math.min(lowestClass, classes[s]);
        }
    }

    private void countAll(int segments, int count) {
        Arrays.fill(valueCounts, lowestClass << MAX_VALUE_BITS + 2, valueCounts.length, 0);
        for (int s = 0; s < segments; s++) {
            int to = classes[s] << MAX_VALUE_BITS + 2;
            count(parts, s, FloatSegment.count(s, count), valueCounts, to);
        }
    }

    /**
     * @param low mantissa bits that are no value
     */
    private long rawBits(int segments, int count, int low) {
        long bits = 0;
        for (int s = 0; s < segments; s++) {
            bits += (long) FloatSegment.count(s, count) * (1 + low - zeros[s]);
        }
        return bits;
    }

    /** Where a group of whole segments ends, or the last segment, which may be shorter. */
    private static int group(int first, int count) {
        int whole = count / FloatSegment.SIZE;
        return first < whole ? Math.min(whole, first + FloatLanes.GROUP) : first + 1;
    }

    /** Where those of a group end that are without as many zeros as the first. */
    private int alike(int first, int end) {
        int next = first + 1;
        while (next < end && zeros[next] == zeros[first]) {
            next++;
        }
        return next;
    }

    /** The sum of a segment's values: 32 of ten bits fit into a lane of 16. */
    private int sum(int segment) {
        long sums = 0;
        for (int i = segment * SEGMENT; i < (segment + 1) * SEGMENT; i += 32) {
            long two = LittleEndian.getI64(parts, i) + LittleEndian.getI64(parts, i + 8);
            long next = LittleEndian.getI64(parts, i + 16) + LittleEndian.getI64(parts, i + 24);
            sums += two + next;
        }
        long pairs = (sums & 0x0000_ffff_0000_ffffL) + (sums >>> 16 & 0x0000_ffff_0000_ffffL);
        return (int) (pairs + (pairs >>> 32));
    }

    /**
     * Counts the values of a segment. Neighbours have counters of their own: one that was just
     * stored is slow to load.
     *
     * @param to of the counters of its class
     */
    private static void count(byte[] parts, int segment, int n, int[] counts, int to) {
        int begin = segment * SEGMENT;
        int whole = begin + (n & -4) * 2;
        for (int i = begin; i < whole; i += 8) {
            counts[to + 4 * LittleEndian.getU16(parts, i) & counts.length - 1]++;
            counts[to + 4 * LittleEndian.getU16(parts, i + 2) + 1 & counts.length - 1]++;
            counts[to + 4 * LittleEndian.getU16(parts, i + 4) + 2 & counts.length - 1]++;
            counts[to + 4 * LittleEndian.getU16(parts, i + 6) + 3 & counts.length - 1]++;
        }
        for (int i = whole; i < begin + 2 * n; i += 2) {
            counts[to + 4 * LittleEndian.getU16(parts, i) & counts.length - 1]++;
        }
    }

    /** How often a class has a value. */
    private int counted(int c, int value) {
        int at = (c << MAX_VALUE_BITS | value) << 2;
        return valueCounts[at] + valueCounts[at + 1] + valueCounts[at + 2] + valueCounts[at + 3];
    }

    /** The block, or its last segment filled up with zeros. */
    private byte[] whole(byte[] raw, int segment, int n, ElementType type) {
        if (n >= FloatSegment.SIZE) {
            return raw;
        }
        Arrays.fill(last, (byte) 0);
        int width = type.bytes();
        System.arraycopy(raw, segment * FloatSegment.SIZE * width, last, 0, n * width);
        return last;
    }

    /** Numbers the values that occur; false if there are too many for a byte. */
    private boolean collectValues(ElementType type) {
        int range = 1 << type.exponentBits() + mantissaBits;
        valueCount = 0;
        for (int value = 0; value < range; value++) {
            boolean occurs = false;
            for (int c = CLASSES - 1; c >= lowestClass && !occurs; c--) {
                occurs = counted(c, value) > 0;
            }
            if (occurs) {
                if (valueCount == MAX_SYMBOLS) {
                    return false;
                }
                values[valueCount++] = value;
            }
        }
        return true;
    }

    /** Writes the block that {@link #analyse} saw; where it ends. */
    int encode(byte[] raw, int count, ElementType type, byte[] out) {
        int segments = FloatSegment.segments(count);
        var header = new BitWriter(out, 0);
        header.put(mantissaBits, 3);
        header.put(contexts.tables() - 1, 4);
        header.put(valueCount - 1, 8);
        writeTables(header);
        encodeValues(segments, count);
        side.prepare(classes, segments, header);
        precision.prepare(zeros, segments, header);
        for (int i = 0; i < HuffmanStreams.STREAMS; i++) {
            header.put(streams.bytes(i), 32);
        }
        int at = precision.append(out, side.append(out, header.end()));
        return writeRest(raw, count, type, out, streams.append(out, at));
    }

    private void writeTables(BitWriter header) {
        int before = -1;
        for (int i = 0; i < valueCount; i++) {
            header.putGamma(values[i] - before);
            before = values[i];
        }
        for (int t = 0; t < contexts.tables(); t++) {
            HuffmanCode.sizes(contexts.counts(), t << 8, valueCount, sizes);
            HuffmanCode.write(sizes, t << 8, valueCount, header);
            HuffmanCode.words(sizes, t << 8, valueCount, values, words[t]);
        }
    }

    private void encodeValues(int segments, int count) {
        byte[] tableOf = contexts.tableOf();
        for (int s = 0; s < segments; s++) {
            classes[s] = tableOf[classes[s]];
        }
        streams.begin();
        for (int s = 0, next; s < segments; s = next) {
            next = s + 1;
            while (next < segments && next < s + TOGETHER && classes[next] == classes[s]) {
                next++;
            }
            int end = Math.min(count, next * FloatSegment.SIZE);
            streams.encode(parts, s * FloatSegment.SIZE, end, words[classes[s]]);
        }
    }

    private int writeRest(byte[] raw, int count, ElementType type, byte[] out, int at) {
        int bytes = FloatSegment.SIZE * type.bytes();
        int segments = FloatSegment.segments(count);
        var lanes = new FloatLanes(type, mantissaBits);
        var rest = new BitWriter(out, at);
        for (int first = 0, end; first < segments; first = end) {
            end = alike(first, group(first, count));
            int n = Math.min((end - first) * FloatSegment.SIZE, count - first * FloatSegment.SIZE);
            byte[] from = whole(raw, first, n, type);
            lanes.without(zeros[first]);
            lanes.rests(from, from == raw ? first * bytes : 0, (end - first) * bytes, n, rest);
        }
        return rest.end();
    }

    /**
     * @param in slack of {@link BitWriter#SLACK_BYTES} after {@code end}
     */
    void decode(byte[] in, int end, byte[] raw, int count, ElementType type)
            throws CorruptBlockException {
        grow(count);
        int segments = FloatSegment.segments(count);
        var header = new BitReader(in, 0);
        mantissaBits = (int) header.get(3);
        int tableCount = (int) header.get(4) + 1;
        valueCount = (int) header.get(8) + 1;
        int low = type.mantissaBits() - mantissaBits;
        if (low < 0 || type.exponentBits() + mantissaBits > MAX_VALUE_BITS) {
            throw new CorruptBlockException("more mantissa bits than the type has");
        }
        int before = -1;
        for (int i = 0; i < valueCount; i++) {
            before += header.getGamma();
            if (before >>> type.exponentBits() + mantissaBits != 0) {
                throw new CorruptBlockException("a value outside the type's range");
            }
            values[i] = before;
        }
        for (int t = 0; t < tableCount; t++) {
            HuffmanCode.read(header, sizes, valueCount);
            HuffmanCode.entries(sizes, valueCount, values, entries[t]);
        }
        var sideHeader = SideStream.Header.read(header);
        var precisionHeader = SideStream.Header.read(header);
        if (sideHeader.largest() >= tableCount || precisionHeader.largest() > low) {
            throw new CorruptBlockException("a segment's class or precision is out of range");
        }
        int[] ends = new int[HuffmanStreams.STREAMS];
        for (int i = 0; i < HuffmanStreams.STREAMS; i++) {
            ends[i] = (int) header.get(32);
        }
        int at = side.read(sideHeader, in, header.end(), end, classes, segments);
        at = precision.read(precisionHeader, in, at, end, zeros, segments);
        for (int i = 0; i < HuffmanStreams.STREAMS; i++) {
            if (ends[i] < 0 || ends[i] > end - at) {
                throw new CorruptBlockException("a part runs past the end");
            }
            streams.begin(i, at);
            at += ends[i];
            ends[i] = at;
        }
        decode(in, at, end, raw, count, type);
        for (int i = 0; i < HuffmanStreams.STREAMS; i++) {
            if (streams.end(i) != ends[i]) {
                throw new CorruptBlockException("a stream is not as long as its values ask for");
            }
        }
    }

    private void decode(byte[] in, int rest, int end, byte[] raw, int count, ElementType type)
            throws CorruptBlockException {
        int width = type.bytes();
        int bytes = FloatSegment.SIZE * width;
        int segments = FloatSegment.segments(count);
        var lanes = new FloatLanes(type, mantissaBits);
        int bit = rest << 3;
        for (int first = 0, next; first < segments; first = next) {
            next = alike(first, group(first, count));
            int n = Math.min((next - first) * FloatSegment.SIZE, count - first * FloatSegment.SIZE);
            for (int s = first; s < next; s++) {
                int of = FloatSegment.count(s, count);
                streams.decode(in, entries[classes[s]], parts, (s - first) * SEGMENT, of);
            }
            int bits = lanes.without(zeros[first]);
            if (n >= FloatSegment.SIZE) {
                lanes.join(parts, in, bit, raw, first * bytes, (next - first) * bytes);
            } else {
                lanes.join(parts, in, bit, last, 0, (n * width + 7) / 8 * 8);
                System.arraycopy(last, 0, raw, first * bytes, n * width);
            }
            bit += n * bits;
        }
        if (bit + 7 >>> 3 != end) {
            throw new CorruptBlockException("is not as long as its numbers ask for");
        }
    }
}
