package graft.formats.archive;

import java.util.Arrays;

/**
 * Codes floats by their distance from a reference: how many representable numbers lie between the
 * two, positive away from zero. A fine-tune moves weights by much the same amount whatever their
 * size, so the distance in such steps is that amount divided by the reference's last place: its
 * distribution is chosen by the reference's exponent and by how far the segment moved. The length
 * of the distance and its two next bits make a symbol, the bits below are left as they are.
 *
 * <p>Buffers are reused: one instance per thread.
 */
final class DeltaFloats {
    private static final int CONTEXTS = 80;

    /** Context of a distance that is expected to be one step. */
    private static final int ORIGIN = 16;

    private static final int LEVEL_BITS = 10;
    private static final int MAX_SYMBOLS = 124; // a distance of 32 bits has symbol 29 << 2 | 7

    private final byte[] symbols;
    private final byte[] tables;
    private final byte[] stream;
    private final byte[] levels;
    private final int[] means;
    private final int[] bits = new int[FloatSegment.SIZE];
    private final int[] reference = new int[FloatSegment.SIZE];
    private final int[] contextCounts = new int[CONTEXTS << 8];
    private final int[] slots;
    private final SideStream side;

    private int lowest;
    private Contexts contexts = Contexts.join(new int[1 << 8], 1, 1);

    /**
     * @param most elements in a block
     */
    DeltaFloats(int most, int[] slots) {
        int segments = FloatSegment.segments(most);
        this.symbols = new byte[most];
        this.tables = new byte[most];
        this.stream = new byte[Rans.bound(most)];
        this.levels = new byte[segments];
        this.means = new int[segments];
        this.slots = slots;
        this.side = new SideStream(segments);
    }

    /** Bytes that {@link #encode} will take, nearly; must come before it. */
    long analyse(byte[] raw, byte[] ref, int count, ElementType type) {
        int segments = FloatSegment.segments(count);
        int mantissa = type.mantissaBits();
        int exponent = (1 << type.exponentBits()) - 1;
        long rawBits = 0;
        lowest = Integer.MAX_VALUE;
        for (int s = 0; s < segments; s++) {
            int n = FloatSegment.count(s, count);
            int first = s * FloatSegment.SIZE;
            distances(raw, ref, s, n, type);
            int sum = 0;
            for (int i = 0; i < n; i++) {
                int length = 32 - Integer.numberOfLeadingZeros(bits[i]);
                int below = Math.max(length - 3, 0);
                symbols[first + i] = (byte) ((below << 2) + (bits[i] >>> below));
                rawBits += below;
                int e = reference[i] >>> mantissa & exponent;
                tables[first + i] = (byte) e;
                sum += length + e;
            }
            means[s] = 2 * sum / n;
            lowest = Math.min(lowest, means[s]);
        }
        Arrays.fill(contextCounts, 0);
        for (int s = 0; s < segments; s++) {
            int n = FloatSegment.count(s, count);
            int first = s * FloatSegment.SIZE;
            int level = Math.min(means[s] - lowest, 255);
            levels[s] = (byte) level;
            for (int i = first; i < first + n; i++) {
                int context = context(level + lowest, tables[i] & 0xff);
                tables[i] = (byte) context;
                contextCounts[context << 8 | symbols[i]]++;
            }
        }
        contexts = Contexts.join(contextCounts, CONTEXTS, MAX_SYMBOLS);
        return (long) (contexts.bits() + rawBits + 3 * segments) / 8;
    }

    /**
     * @param level twice the logarithm of how far the segment moved
     */
    private static int context(int level, int exponent) {
        return Math.clamp(level - 2L * exponent + ORIGIN, 0, CONTEXTS - 1);
    }

    /** Fills {@link #reference} with the reference and {@link #bits} with zig-zag distances. */
    private void distances(byte[] raw, byte[] ref, int segment, int n, ElementType type) {
        FloatSegment.load(raw, type.bytes(), segment, n, bits);
        FloatSegment.load(ref, type.bytes(), segment, n, reference);
        int unused = 32 - type.bits();
        for (int i = 0; i < n; i++) {
            int from = reference[i] << unused >> unused;
            int to = bits[i] << unused >> unused;
            int away = from >> 31;
            int distance = ((ordinal(to, unused) - ordinal(from, unused)) ^ away) - away;
            distance = distance << unused >> unused; // modulo 2^bits, which loses nothing
            bits[i] = distance << 1 ^ distance >> 31;
        }
    }

    /** Numbers floats in their own order, −0 just below +0; its own inverse. */
    private static int ordinal(int signed, int unused) {
        return signed ^ (signed >> 31 & Integer.MAX_VALUE >>> unused);
    }

    /** Writes the block that {@link #analyse} saw; where it ends. */
    int encode(byte[] raw, byte[] ref, int count, ElementType type, byte[] out) {
        int segments = FloatSegment.segments(count);
        byte[] tableOf = contexts.tableOf();
        for (int i = 0; i < count; i++) {
            tables[i] = tableOf[tables[i]];
        }
        int symbolCount = MAX_SYMBOLS;
        while (symbolCount > 1 && !occurs(symbolCount - 1)) {
            symbolCount--;
        }
        SymbolModel model = SymbolModel.of(contexts.counts(), contexts.tables(), symbolCount);
        var header = new BitWriter(out, 0);
        header.put(symbolCount - 1, 7);
        for (int c = 1; c < CONTEXTS; c++) {
            header.put(tableOf[c] - tableOf[c - 1], 1);
        }
        model.write(header);
        header.put(lowest, LEVEL_BITS);
        side.prepare(levels, segments, header);
        int begin = Rans.encode(symbols, tables, count, model, stream);
        header.put(stream.length - begin, 32);
        int at = side.append(out, header.end());
        System.arraycopy(stream, begin, out, at, stream.length - begin);
        var rest = new BitWriter(out, at + stream.length - begin);
        for (int s = 0; s < segments; s++) {
            int n = FloatSegment.count(s, count);
            int first = s * FloatSegment.SIZE;
            distances(raw, ref, s, n, type);
            for (int i = 0; i < n; i++) {
                int below = Math.max((symbols[first + i] >> 2) - 1, 0);
                rest.put(bits[i] & ((1 << below) - 1), below);
            }
        }
        return rest.end();
    }

    private boolean occurs(int symbol) {
        for (int t = 0; t < contexts.tables(); t++) {
            if (contexts.counts()[t << 8 | symbol] > 0) {
                return true;
            }
        }
        return false;
    }

    /**
     * @param in slack of {@link BitWriter#SLACK_BYTES} after {@code end}
     */
    void decode(byte[] in, int end, byte[] ref, byte[] raw, int count, ElementType type)
            throws CorruptBlockException {
        int segments = FloatSegment.segments(count);
        var header = new BitReader(in, 0);
        int symbolCount = (int) header.get(7) + 1;
        if (symbolCount > MAX_SYMBOLS) {
            throw new CorruptBlockException("%d symbols".formatted(symbolCount));
        }
        byte[] tableOf = new byte[CONTEXTS];
        for (int c = 1; c < CONTEXTS; c++) {
            tableOf[c] = (byte) (tableOf[c - 1] + header.get(1));
        }
        int tableCount = tableOf[CONTEXTS - 1] + 1;
        if (tableCount > SymbolModel.MAX_TABLES) {
            throw new CorruptBlockException("%d tables".formatted(tableCount));
        }
        SymbolModel.read(header, tableCount, symbolCount).slots(slots);
        lowest = (int) header.get(LEVEL_BITS);
        var sideHeader = SideStream.Header.read(header);
        int bytes = (int) header.get(32);
        int at = side.read(sideHeader, in, header.end(), end, levels, segments);
        if (bytes < 0 || bytes > end - at) {
            throw new CorruptBlockException("a part runs past the end");
        }
        int mantissa = type.mantissaBits();
        int exponent = (1 << type.exponentBits()) - 1;
        for (int s = 0; s < segments; s++) {
            int n = FloatSegment.count(s, count);
            int first = s * FloatSegment.SIZE;
            int level = (levels[s] & 0xff) + lowest;
            FloatSegment.load(ref, type.bytes(), s, n, reference);
            for (int i = 0; i < n; i++) {
                tables[first + i] = tableOf[context(level, reference[i] >>> mantissa & exponent)];
            }
        }
        Rans.decode(in, at, at + bytes, slots, tables, symbols, count);
        readRest(in, at + bytes, end, ref, raw, count, type);
    }

    private void readRest(
            byte[] in, int at, int end, byte[] ref, byte[] raw, int count, ElementType type)
            throws CorruptBlockException {
        int unused = 32 - type.bits();
        long bit = 8L * at;
        for (int s = 0; s < FloatSegment.segments(count); s++) {
            int n = FloatSegment.count(s, count);
            int first = s * FloatSegment.SIZE;
            FloatSegment.load(ref, type.bytes(), s, n, reference);
            for (int i = 0; i < n; i++) {
                int symbol = symbols[first + i];
                int below = Math.max((symbol >> 2) - 1, 0);
                long word = LittleEndian.getI64(in, (int) (bit >>> 3)) >>> (bit & 7);
                bit += below;
                int high = symbol - (below << 2);
                int zigzag = high << below | (int) word & ((1 << below) - 1);
                int distance = zigzag >>> 1 ^ -(zigzag & 1);
                int from = reference[i] << unused >> unused;
                int away = from >> 31;
                int to = ordinal(from, unused) + ((distance ^ away) - away);
                bits[i] = ordinal(to << unused >> unused, unused);
            }
            FloatSegment.store(bits, type.bytes(), s, n, raw);
        }
        if (bit + 7 >>> 3 != end) {
            throw new CorruptBlockException("is not as long as its numbers ask for");
        }
    }
}
