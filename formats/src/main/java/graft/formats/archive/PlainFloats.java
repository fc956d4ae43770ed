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

    private final byte[] parts;
    private final byte[] classes;
    private final byte[] zeros;
    private final int[] levels;
    private final byte[] last = new byte[4 * FloatSegment.SIZE + BitWriter.SLACK_BYTES];
    private final int[] valueCounts = new int[CLASSES << MAX_VALUE_BITS];
    private final int[] contextCounts = new int[CLASSES << 8];
    private final int[] values = new int[MAX_SYMBOLS];
    private final byte[] sizes = new byte[MAX_SYMBOLS << 4];
    private final int[][] words = new int[SymbolModel.MAX_TABLES][MAX_VALUES];
    private final char[][] entries = new char[SymbolModel.MAX_TABLES][HuffmanCode.TOTAL];
    private final HuffmanStreams streams;
    private final SideStream side;
    private final SideStream precision;

    private int valueCount;
    private int mantissaBits;
    private Contexts contexts = Contexts.join(new int[1 << 8], 1, 1);

    /**
     * @param most elements in a block
     */
    PlainFloats(int most) {
        int segments = FloatSegment.segments(most);
        this.parts = new byte[segments * SEGMENT];
        this.classes = new byte[segments];
        this.zeros = new byte[segments];
        this.levels = new int[segments];
        this.streams = new HuffmanStreams(most);
        this.side = new SideStream(segments);
        this.precision = new SideStream(segments);
    }

    /** Bytes that {@link #encode} will take, nearly; must come before it. */
    long analyse(byte[] raw, int count, ElementType type) {
        int most = type.bytes() == 1 ? type.mantissaBits() : MANTISSA_BITS;
        for (mantissaBits = most; ; mantissaBits--) {
            long rawBits = measure(raw, count, type);
            if (collectValues(type)) {
                int[] counts = contextCounts;
                Arrays.fill(counts, 0);
                for (int c = 0; c < CLASSES; c++) {
                    for (int i = 0; i < valueCount; i++) {
                        counts[c << 8 | i] = valueCounts[c << MAX_VALUE_BITS | values[i]];
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
        int low = type.mantissaBits() - mantissaBits;
        var lanes = new FloatLanes(type, mantissaBits);
        long rawBits = 0;
        int highest = 0;
        for (int s = 0; s < segments; s++) {
            int n = FloatSegment.count(s, count);
            byte[] from = whole(raw, s, n, type);
            int at = from == raw ? s * FloatSegment.SIZE * type.bytes() : 0;
            zeros[s] =
                    (byte)
                            lanes.split(
                                    from, at, FloatSegment.SIZE * type.bytes(), parts, s * SEGMENT);
            // half an octave per level: the mean of exponents with one mantissa bit
            levels[s] = (sum(s) << 1 >>> mantissaBits) / n;
            highest = Math.max(highest, levels[s]);
            rawBits += (long) n * (1 + low - zeros[s]);
        }
        Arrays.fill(valueCounts, 0);
        for (int s = 0; s < segments; s++) {
            int c = Math.max(0, levels[s] - highest + CLASSES - 1);
            classes[s] = (byte) c;
            count(s, FloatSegment.count(s, count), c << MAX_VALUE_BITS);
        }
        return rawBits;
    }

    /** The sum of a segment's values: 32 of ten bits fit into a lane of 16. */
    private int sum(int segment) {
        long sums = 0;
        for (int i = segment * SEGMENT; i < (segment + 1) * SEGMENT; i += 8) {
            sums += LittleEndian.getI64(parts, i);
        }
        long two = (sums & 0x0000_ffff_0000_ffffL) + (sums >>> 16 & 0x0000_ffff_0000_ffffL);
        return (int) (two + (two >>> 32));
    }

    private void count(int segment, int n, int to) {
        int at = segment * SEGMENT;
        int mask = MAX_VALUES - 1;
        int i = 0;
        for (; i + 4 <= n; i += 4) {
            long four = LittleEndian.getI64(parts, at + 2 * i);
            valueCounts[to | (int) four & mask]++;
            valueCounts[to | (int) (four >>> 16) & mask]++;
            valueCounts[to | (int) (four >>> 32) & mask]++;
            valueCounts[to | (int) (four >>> 48) & mask]++;
        }
        for (; i < n; i++) {
            valueCounts[to | LittleEndian.getU16(parts, at + 2 * i) & mask]++;
        }
    }

    /** The block, or its last segment filled up with zeros. */
    private byte[] whole(byte[] raw, int segment, int n, ElementType type) {
        if (n == FloatSegment.SIZE) {
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
            for (int c = 0; c < CLASSES && !occurs; c++) {
                occurs = valueCounts[c << MAX_VALUE_BITS | value] > 0;
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
        streams.begin();
        for (int s = 0; s < segments; s++) {
            classes[s] = contexts.tableOf()[classes[s]];
            streams.encode(
                    parts, s * FloatSegment.SIZE, FloatSegment.count(s, count), words[classes[s]]);
        }
        side.prepare(classes, segments, header);
        precision.prepare(zeros, segments, header);
        for (int i = 0; i < HuffmanStreams.STREAMS; i++) {
            header.put(streams.bytes(i), 32);
        }
        int at = precision.append(out, side.append(out, header.end()));
        return writeRest(raw, count, type, out, streams.append(out, at));
    }

    private int writeRest(byte[] raw, int count, ElementType type, byte[] out, int at) {
        int width = type.bytes();
        int together = 8 / width;
        var lanes = new FloatLanes(type, mantissaBits);
        var rest = new BitWriter(out, at);
        for (int s = 0; s < FloatSegment.segments(count); s++) {
            int n = FloatSegment.count(s, count);
            byte[] from = whole(raw, s, n, type);
            int first = from == raw ? s * FloatSegment.SIZE * width : 0;
            int bits = lanes.without(zeros[s]);
            int step = together * bits;
            int i = 0;
            for (; 2 * step <= BitWriter.MOST && i + 2 * together <= n; i += 2 * together) {
                long one = lanes.rest(LittleEndian.getI64(from, first + i * width));
                long two = lanes.rest(LittleEndian.getI64(from, first + i * width + 8));
                rest.put(one | two << step, 2 * step);
            }
            for (; i < n; i += together) {
                long rests = lanes.rest(LittleEndian.getI64(from, first + i * width));
                rest.put(rests, Math.min(together, n - i) * bits);
            }
        }
        return rest.end();
    }

    /**
     * @param in slack of {@link BitWriter#SLACK_BYTES} after {@code end}
     */
    void decode(byte[] in, int end, byte[] raw, int count, ElementType type)
            throws CorruptBlockException {
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
        var lanes = new FloatLanes(type, mantissaBits);
        int bit = rest << 3;
        for (int s = 0; s < FloatSegment.segments(count); s++) {
            int n = FloatSegment.count(s, count);
            streams.decode(in, entries[classes[s]], parts, n);
            int bits = lanes.without(zeros[s]);
            if (n == FloatSegment.SIZE) {
                lanes.join(parts, in, bit, raw, s * bytes, bytes);
            } else {
                lanes.join(parts, in, bit, last, 0, (n * width + 7) / 8 * 8);
                System.arraycopy(last, 0, raw, s * bytes, n * width);
            }
            bit += n * bits;
        }
        if (bit + 7 >>> 3 != end) {
            throw new CorruptBlockException("is not as long as its numbers ask for");
        }
    }
}
