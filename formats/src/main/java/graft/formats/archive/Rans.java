package graft.formats.archive;

/**
 * An entropy coder for bytes under several fixed distributions: four interleaved range-ANS states
 * (J. Duda, arXiv 1311.2540; the form is F. Giesen's, arXiv 1402.3392), 12-bit frequencies, states
 * from 2¹⁵ to 2³¹ that shed 16 bits at a time.
 *
 * <p>Symbol <i>i</i> belongs to state <i>i</i> mod 4. The stream is the four states as the decoder
 * begins with them, then 16-bit words in the order it takes them. Encoding runs backwards. When all
 * is decoded every state is back at 2¹⁵ and every word is used: damage hardly survives that.
 */
final class Rans {
    static final int PRECISION = 12;
    static final int TOTAL = 1 << PRECISION;

    /** Bytes of an empty stream. */
    static final int STATES_BYTES = 16;

    private static final int LOW = 1 << 15;
    private static final int WORD = 16;

    private Rans() {}

    /** Most bytes that {@code count} symbols take: none takes more than 12 bits, rounding apart. */
    static int bound(int count) {
        return STATES_BYTES + 2 * count + 16;
    }

    /**
     * Encodes backwards into the end of {@code out}.
     *
     * @param tables which distribution of {@code model} each symbol has
     * @return where the stream begins; it goes on to the end of {@code out}
     */
    static int encode(byte[] symbols, byte[] tables, int count, SymbolModel model, byte[] out) {
        int[] frequency = model.frequencies();
        int[] before = model.cumulative();
        long[] reciprocal = model.reciprocals();
        int at = out.length;
        long[] states = {LOW, LOW, LOW, LOW};
        for (int i = count - 1; i >= 0; i--) {
            int entry = (tables[i] & 0xff) << 8 | symbols[i] & 0xff;
            long x = states[i & 3];
            int f = frequency[entry];
            // stored without asking: a word that is not shed is overwritten by the next
            LittleEndian.putI16(out, at - 2, (int) x);
            int shed = (int) (((long) f << (31 - PRECISION)) - 1 - x >> 63) & WORD;
            x >>>= shed;
            at -= shed >>> 3;
            long quotient = x * reciprocal[entry] >>> 43;
            states[i & 3] = (quotient << PRECISION) + x - quotient * f + before[entry];
        }
        at -= STATES_BYTES;
        for (int i = 0; i < 4; i++) {
            LittleEndian.putI32(out, at + 4 * i, (int) states[i]);
        }
        return at;
    }

    /**
     * Decodes {@code count} symbols; {@code in} needs two bytes of slack after {@code end}.
     *
     * @param slots {@link SymbolModel#slots}
     */
    static void decode(
            byte[] in, int at, int end, int[] slots, byte[] tables, byte[] symbols, int count)
            throws CorruptBlockException {
        if (end - at < STATES_BYTES) {
            throw new CorruptBlockException("an entropy-coded part is cut short");
        }
        int x0 = LittleEndian.getI32(in, at);
        int x1 = LittleEndian.getI32(in, at + 4);
        int x2 = LittleEndian.getI32(in, at + 8);
        int x3 = LittleEndian.getI32(in, at + 12);
        int next = at + STATES_BYTES;
        int whole = count & -4;
        for (int i = 0; i < whole; i += 4) {
            int e0 = slots[(tables[i] & 0xff) << PRECISION | x0 & (TOTAL - 1)];
            int e1 = slots[(tables[i + 1] & 0xff) << PRECISION | x1 & (TOTAL - 1)];
            int e2 = slots[(tables[i + 2] & 0xff) << PRECISION | x2 & (TOTAL - 1)];
            int e3 = slots[(tables[i + 3] & 0xff) << PRECISION | x3 & (TOTAL - 1)];
            symbols[i] = (byte) e0;
            symbols[i + 1] = (byte) e1;
            symbols[i + 2] = (byte) e2;
            symbols[i + 3] = (byte) e3;
            x0 = advance(x0, e0);
            x1 = advance(x1, e1);
            x2 = advance(x2, e2);
            x3 = advance(x3, e3);
            // arithmetic instead of branches, which the data would make unpredictable
            int short0 = x0 - LOW >> 31;
            x0 = x0 << (short0 & WORD) | LittleEndian.getU16(in, next) & short0;
            next -= short0 << 1;
            int short1 = x1 - LOW >> 31;
            x1 = x1 << (short1 & WORD) | LittleEndian.getU16(in, next) & short1;
            next -= short1 << 1;
            int short2 = x2 - LOW >> 31;
            x2 = x2 << (short2 & WORD) | LittleEndian.getU16(in, next) & short2;
            next -= short2 << 1;
            int short3 = x3 - LOW >> 31;
            x3 = x3 << (short3 & WORD) | LittleEndian.getU16(in, next) & short3;
            next -= short3 << 1;
        }
        int[] states = {x0, x1, x2, x3};
        for (int i = whole; i < count; i++) {
            int x = states[i & 3];
            int e = slots[(tables[i] & 0xff) << PRECISION | x & (TOTAL - 1)];
            symbols[i] = (byte) e;
            x = advance(x, e);
            if (x < LOW) {
                x = x << WORD | LittleEndian.getU16(in, next);
                next += 2;
            }
            states[i & 3] = x;
        }
        for (int state : states) {
            if (state != LOW) {
                throw new CorruptBlockException("an entropy-coded part ends in the wrong state");
            }
        }
        if (next != end) {
            throw new CorruptBlockException("an entropy-coded part has bytes to spare");
        }
    }

    private static int advance(int x, int slot) {
        return ((slot >>> 20) + 1) * (x >>> PRECISION) + (slot >>> 8 & (TOTAL - 1));
    }
}
