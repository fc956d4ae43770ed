package graft.formats.archive;

import java.util.Arrays;

/**
 * Codes floats that have no reference. The exponent and the highest mantissa bits make a symbol,
 * which is entropy-coded; the rest of the mantissa and the sign are noise and stay as bits. The
 * distribution of symbols depends on how large the numbers of a segment are, and mantissa bits that
 * are zero in a whole segment are left out, so that float32 of half precision costs no more than
 * half precision.
 *
 * <p>Buffers are reused: one instance per thread.
 */
final class PlainFloats {
    private static final int CLASSES = 32;
    private static final int MAX_SYMBOL_BITS = 10;
    private static final int MANTISSA_BITS = 2;

    /** Four numbers of so many bits are read and written at once. */
    private static final int NARROW = 14;

    private final byte[] symbols;
    private final byte[] tables;
    private final byte[] stream;
    private final byte[] classes;
    private final byte[] zeros;
    private final int[] levels;
    private final int[] bits = new int[FloatSegment.SIZE];
    private final int[] valueCounts = new int[CLASSES << MAX_SYMBOL_BITS];
    private final int[] contextCounts = new int[CLASSES << 8];
    private final int[] symbolOf = new int[1 << MAX_SYMBOL_BITS];
    private final int[] values = new int[256];
    private final int[] slots;
    private final SideStream side;
    private final SideStream precision;

    private int valueCount;
    private int mantissaBits;
    private Contexts contexts = Contexts.join(new int[1 << 8], 1, 1);

    /**
     * @param most elements in a block
     */
    PlainFloats(int most, int[] slots) {
        int segments = FloatSegment.segments(most);
        this.symbols = new byte[most];
        this.tables = new byte[most];
        this.stream = new byte[Rans.bound(most)];
        this.classes = new byte[segments];
        this.zeros = new byte[segments];
        this.levels = new int[segments];
        this.slots = slots;
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
                int shift = type.exponentBits() + mantissaBits;
                for (int c = 0; c < CLASSES; c++) {
                    for (int i = 0; i < valueCount; i++) {
                        counts[c << 8 | i] = valueCounts[c << shift | values[i]];
                    }
                }
                contexts = Contexts.join(counts, CLASSES, valueCount);
                return (long) (contexts.bits() + rawBits + 2 * FloatSegment.segments(count)) / 8;
            }
        }
    }

    /** Share of elements that are ±0; after {@link #analyse}. */
    double shareOfZeros(int count) {
        long zero = 0;
        for (int t = 0; t < contexts.tables() && values[0] == 0; t++) {
            zero += contexts.counts()[t << 8];
        }
        return (double) zero / Math.max(1, count);
    }

    /** Levels, classes, zero bits, counts of values by class; returns the bits left as they are. */
    private long measure(byte[] raw, int count, ElementType type) {
        int segments = FloatSegment.segments(count);
        int low = type.mantissaBits() - mantissaBits;
        int magnitude = (1 << type.bits() - 1) - 1;
        int shift = type.exponentBits() + mantissaBits;
        long rawBits = 0;
        int highest = 0;
        for (int s = 0; s < segments; s++) {
            int n = FloatSegment.count(s, count);
            FloatSegment.load(raw, type.bytes(), s, n, bits);
            int any = 1 << low;
            long sum = 0;
            for (int i = 0; i < n; i++) {
                any |= bits[i];
                sum += (bits[i] & magnitude) >>> low;
            }
            // half an octave per level: the mean of exponents with one mantissa bit
            int level = (int) ((sum << 1 >>> mantissaBits) / n);
            levels[s] = level;
            highest = Math.max(highest, level);
            zeros[s] = (byte) Integer.numberOfTrailingZeros(any);
            rawBits += (long) n * (1 + low - zeros[s]);
        }
        Arrays.fill(valueCounts, 0, CLASSES << shift, 0);
        for (int s = 0; s < segments; s++) {
            int n = FloatSegment.count(s, count);
            FloatSegment.load(raw, type.bytes(), s, n, bits);
            int c = Math.max(0, levels[s] - highest + CLASSES - 1);
            classes[s] = (byte) c;
            for (int i = 0; i < n; i++) {
                valueCounts[c << shift | (bits[i] & magnitude) >>> low]++;
            }
        }
        return rawBits;
    }

    /** Numbers the values that occur; false if there are too many for a byte. */
    private boolean collectValues(ElementType type) {
        int range = 1 << type.exponentBits() + mantissaBits;
        valueCount = 0;
        for (int value = 0; value < range; value++) {
            boolean occurs = false;
            for (int c = 0; c < CLASSES && !occurs; c++) {
                occurs = valueCounts[c * range + value] > 0;
            }
            if (occurs) {
                if (valueCount == 256) {
                    return false;
                }
                symbolOf[value] = valueCount;
                values[valueCount++] = value;
            }
        }
        return true;
    }

    /** Writes the block that {@link #analyse} saw; where it ends. */
    int encode(byte[] raw, int count, ElementType type, byte[] out) {
        int segments = FloatSegment.segments(count);
        int low = type.mantissaBits() - mantissaBits;
        int magnitude = (1 << type.bits() - 1) - 1;
        for (int s = 0; s < segments; s++) {
            int n = FloatSegment.count(s, count);
            FloatSegment.load(raw, type.bytes(), s, n, bits);
            int first = s * FloatSegment.SIZE;
            classes[s] = contexts.tableOf()[classes[s]];
            Arrays.fill(tables, first, first + n, classes[s]);
            for (int i = 0; i < n; i++) {
                symbols[first + i] = (byte) symbolOf[(bits[i] & magnitude) >>> low];
            }
        }
        SymbolModel model = SymbolModel.of(contexts.counts(), contexts.tables(), valueCount);
        var header = new BitWriter(out, 0);
        header.put(mantissaBits, 3);
        header.put(contexts.tables() - 1, 4);
        header.put(valueCount - 1, 8);
        int last = -1;
        for (int i = 0; i < valueCount; i++) {
            header.putGamma(values[i] - last);
            last = values[i];
        }
        model.write(header);
        side.prepare(classes, segments, header);
        precision.prepare(zeros, segments, header);
        int begin = Rans.encode(symbols, tables, count, model, stream);
        header.put(stream.length - begin, 32);
        int at = precision.append(out, side.append(out, header.end()));
        System.arraycopy(stream, begin, out, at, stream.length - begin);
        return writeRest(raw, count, type, out, at + stream.length - begin);
    }

    private int writeRest(byte[] raw, int count, ElementType type, byte[] out, int at) {
        int low = type.mantissaBits() - mantissaBits;
        int mask = (1 << low) - 1;
        int sign = type.bits() - 1;
        var rest = new BitWriter(out, at);
        for (int s = 0; s < FloatSegment.segments(count); s++) {
            int n = FloatSegment.count(s, count);
            FloatSegment.load(raw, type.bytes(), s, n, bits);
            int zero = zeros[s];
            int width = 1 + low - zero;
            for (int i = 0; i < n; i++) {
                bits[i] = (bits[i] & mask) >>> zero << 1 | bits[i] >>> sign & 1;
            }
            int i = 0;
            for (; width <= NARROW && i + 4 <= n; i += 4) {
                long two = bits[i] | (long) bits[i + 1] << width;
                long next = bits[i + 2] | (long) bits[i + 3] << width;
                rest.put(two | next << 2 * width, 4 * width);
            }
            for (; i < n; i++) {
                rest.put(bits[i], width);
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
        if (low < 0) {
            throw new CorruptBlockException("more mantissa bits than the type has");
        }
        int last = -1;
        for (int i = 0; i < valueCount; i++) {
            last += header.getGamma();
            values[i] = last;
        }
        if (last >>> type.exponentBits() + mantissaBits != 0) {
            throw new CorruptBlockException("a value outside the type's range");
        }
        SymbolModel.read(header, tableCount, valueCount).slots(slots);
        var sideHeader = SideStream.Header.read(header);
        var precisionHeader = SideStream.Header.read(header);
        if (sideHeader.largest() >= tableCount || precisionHeader.largest() > low) {
            throw new CorruptBlockException("a segment's class or precision is out of range");
        }
        int bytes = (int) header.get(32);
        int at = side.read(sideHeader, in, header.end(), end, classes, segments);
        at = precision.read(precisionHeader, in, at, end, zeros, segments);
        if (bytes < 0 || bytes > end - at) {
            throw new CorruptBlockException("a part runs past the end");
        }
        for (int s = 0; s < segments; s++) {
            int first = s * FloatSegment.SIZE;
            Arrays.fill(tables, first, first + FloatSegment.count(s, count), classes[s]);
        }
        Rans.decode(in, at, at + bytes, slots, tables, symbols, count);
        readRest(in, at + bytes, end, raw, count, type);
    }

    private void readRest(byte[] in, int at, int end, byte[] raw, int count, ElementType type)
            throws CorruptBlockException {
        int low = type.mantissaBits() - mantissaBits;
        int sign = type.bits() - 1;
        long bit = 8L * at;
        for (int i = 0; i < valueCount; i++) {
            values[i] <<= low;
        }
        for (int s = 0; s < FloatSegment.segments(count); s++) {
            int n = FloatSegment.count(s, count);
            int first = s * FloatSegment.SIZE;
            int zero = zeros[s];
            int width = 1 + low - zero;
            int mask = (int) ((1L << width) - 1);
            int i = 0;
            for (; width <= NARROW && i + 4 <= n; i += 4) {
                long four = LittleEndian.getI64(in, (int) (bit >>> 3)) >>> (bit & 7);
                bits[i] = (int) four & mask;
                bits[i + 1] = (int) (four >>> width) & mask;
                bits[i + 2] = (int) (four >>> 2 * width) & mask;
                bits[i + 3] = (int) (four >>> 3 * width) & mask;
                bit += 4 * width;
            }
            for (; i < n; i++) {
                bits[i] = (int) (LittleEndian.getI64(in, (int) (bit >>> 3)) >>> (bit & 7)) & mask;
                bit += width;
            }
            for (i = 0; i < n; i++) {
                int rest = bits[i];
                bits[i] = values[symbols[first + i] & 0xff] | rest >>> 1 << zero | rest << sign;
            }
            FloatSegment.store(bits, type.bytes(), s, n, raw);
        }
        if (bit + 7 >>> 3 != end) {
            throw new CorruptBlockException("is not as long as its numbers ask for");
        }
    }
}
