package graft.formats.archive;

/**
 * Distributions of byte symbols, one per table, as 12-bit frequencies: what {@link Rans} codes by
 * and what is written in front of its stream. Arrays are indexed by {@code table << 8 | symbol}.
 */
final class SymbolModel {
    static final int MAX_TABLES = 16;

    /** Bits that a used symbol's frequency takes in a header, roughly; for estimates. */
    private static final double BITS_PER_FREQUENCY = 5;

    private static final double[] LOG2 = new double[1024];

    static {
        for (int i = 0; i < LOG2.length; i++) {
            LOG2[i] = StrictMath.log(1 + i / 1024.0) / StrictMath.log(2);
        }
    }

    private final int tables;
    private final int symbols;
    private final int[] frequencies;
    private final int[] cumulative;
    private final long[] reciprocals;

    private SymbolModel(int tables, int symbols, int[] frequencies) {
        this.tables = tables;
        this.symbols = symbols;
        this.frequencies = frequencies;
        this.cumulative = new int[tables << 8];
        this.reciprocals = new long[tables << 8];
        for (int table = 0; table < tables; table++) {
            int sum = 0;
            for (int i = table << 8; i < (table << 8) + symbols; i++) {
                cumulative[i] = sum;
                sum += frequencies[i];
                if (frequencies[i] > 0) {
                    reciprocals[i] = ((1L << 43) + frequencies[i] - 1) / frequencies[i];
                }
            }
        }
    }

    /**
     * Frequencies that add up to 4096 in every table and are at least 1 where a symbol occurs.
     *
     * @param counts of each symbol in each table
     * @param symbols number of symbols; counts above are 0
     */
    static SymbolModel of(int[] counts, int tables, int symbols) {
        int[] frequencies = new int[tables << 8];
        for (int table = 0; table < tables; table++) {
            normalise(counts, table << 8, symbols, frequencies);
        }
        return new SymbolModel(tables, symbols, frequencies);
    }

    private static void normalise(int[] counts, int from, int symbols, int[] frequencies) {
        long total = 0;
        for (int i = from; i < from + symbols; i++) {
            total += counts[i];
        }
        if (total == 0) {
            frequencies[from] = Rans.TOTAL; // never used, but every table must be one
            return;
        }
        int rest = Rans.TOTAL;
        for (int i = from; i < from + symbols; i++) {
            if (counts[i] > 0) {
                long scaled = (2L * counts[i] * Rans.TOTAL + total) / (2 * total);
                frequencies[i] = (int) Math.max(1, scaled);
                rest -= frequencies[i];
            }
        }
        while (rest != 0) { // rounding: a few units, taken from or given to the most frequent
            int most = from;
            for (int i = from; i < from + symbols; i++) {
                if (frequencies[i] > frequencies[most]) {
                    most = i;
                }
            }
            int step = rest > 0 ? rest : Math.max(rest, -(frequencies[most] / 8 + 1));
            frequencies[most] += step;
            rest -= step;
        }
    }

    /** Bits that coding {@code counts} costs by frequencies made of them, tables included. */
    static double cost(int[] counts, int from, int symbols) {
        long total = 0;
        int used = 0;
        double sum = 0;
        for (int i = from; i < from + symbols; i++) {
            int count = counts[i];
            if (count > 0) {
                total += count;
                used++;
                sum += count * log2(count);
            }
        }
        if (total == 0) {
            return 0;
        }
        return total * log2(total) - sum + BITS_PER_FREQUENCY * used + symbols;
    }

    /** Good to a thousandth, and the same on every machine, which {@link Math#log} need not be. */
    static double log2(long value) {
        int whole = 63 - Long.numberOfLeadingZeros(value);
        long scaled = whole > 10 ? value >>> (whole - 10) : value << (10 - whole);
        return whole + LOG2[(int) scaled & 1023];
    }

    int[] frequencies() {
        return frequencies;
    }

    int[] cumulative() {
        return cumulative;
    }

    /** ⌈2⁴³ / frequency⌉, by which the encoder divides. */
    long[] reciprocals() {
        return reciprocals;
    }

    /**
     * For the decoder, by {@code table << 12 | position}: {@code frequency − 1 << 20}, position
     * within the symbol's range {@code << 8}, symbol.
     *
     * @param into at least {@code MAX_TABLES << 12} long
     */
    void slots(int[] into) {
        for (int table = 0; table < tables; table++) {
            int at = table << Rans.PRECISION;
            for (int symbol = 0; symbol < symbols; symbol++) {
                int frequency = frequencies[table << 8 | symbol];
                int head = (frequency - 1) << 20 | symbol;
                for (int i = 0; i < frequency; i++) {
                    into[at++] = head | i << 8;
                }
            }
        }
    }

    /**
     * Per table and symbol, the change in length of its frequency from the symbol before, zig-zag
     * and gamma, then the frequency's bits below the highest.
     */
    void write(BitWriter out) {
        for (int table = 0; table < tables; table++) {
            int last = 0;
            for (int symbol = 0; symbol < symbols; symbol++) {
                int frequency = frequencies[table << 8 | symbol];
                int length = 32 - Integer.numberOfLeadingZeros(frequency);
                int change = length - last;
                out.putGamma((change << 1 ^ change >> 31) + 1);
                if (length > 1) {
                    out.put(frequency - (1 << (length - 1)), length - 1);
                }
                last = length;
            }
        }
    }

    static SymbolModel read(BitReader in, int tables, int symbols) throws CorruptBlockException {
        int[] frequencies = new int[tables << 8];
        for (int table = 0; table < tables; table++) {
            int length = 0;
            int sum = 0;
            for (int symbol = 0; symbol < symbols; symbol++) {
                int zigzag = in.getGamma() - 1;
                length += zigzag >>> 1 ^ -(zigzag & 1);
                if (length < 0 || length > Rans.PRECISION + 1) {
                    throw new CorruptBlockException("a frequency of %d bits".formatted(length));
                }
                int frequency =
                        length < 2 ? length : (1 << (length - 1)) + (int) in.get(length - 1);
                frequencies[table << 8 | symbol] = frequency;
                sum += frequency;
            }
            if (sum != Rans.TOTAL) {
                throw new CorruptBlockException(
                        "frequencies add up to %d, not %d".formatted(sum, Rans.TOTAL));
            }
        }
        return new SymbolModel(tables, symbols, frequencies);
    }
}
