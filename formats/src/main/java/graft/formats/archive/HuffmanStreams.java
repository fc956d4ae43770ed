package graft.formats.archive;

/**
 * Code words of a block's values in four streams of bits, lowest first: value <i>i</i> belongs to
 * stream <i>i</i> mod 4, so that a processor works on four at once. Values are two bytes each.
 *
 * <p>Takes a segment after the other. Not thread-safe.
 */
final class HuffmanStreams {
    static final int STREAMS = 4;

    /** Words that are taken from eight bytes of a stream, wherever in a byte they begin. */
    private static final int AT_ONCE = 4;

    private static final int STEP = STREAMS * AT_ONCE;
    private static final long LENGTH = (1 << HuffmanCode.LENGTH_BITS) - 1;
    private static final long VALUES = 0x03ff_03ff_03ff_03ffL;

    private final byte[] buffer;
    private final int room;
    private final int[] at = new int[STREAMS];
    private final long[] pending = new long[STREAMS];

    /**
     * @param most values in a block
     */
    HuffmanStreams(int most) {
        room = (most + STREAMS - 1) / STREAMS * HuffmanCode.LONGEST / 8 + 2 * BitWriter.SLACK_BYTES;
        buffer = new byte[STREAMS * room];
    }

    void begin() {
        for (int s = 0; s < STREAMS; s++) {
            at[s] = s * room << 3;
            pending[s] = 0;
        }
    }

    /**
     * Codes values from {@code first}, which is of stream 0, to {@code end}.
     *
     * @param words by value, {@link HuffmanCode#words}; the length is a power of two
     */
    void encode(byte[] values, int first, int end, long[] words) {
        int whole = first + (end - first & -STEP);
        for (int s = 0; s < STREAMS; s++) {
            encode(values, 2 * (first + s), 2 * whole, words, s);
            for (int i = whole + s; i < end; i += STREAMS) {
                long word = words[LittleEndian.getU16(values, 2 * i) & words.length - 1];
                pending[s] = pending[s] >>> word | word;
                LittleEndian.putI64(
                        buffer, at[s] >>> 3, pending[s] >>> -((at[s] & 7) + (int) word));
                at[s] += (int) word;
            }
        }
    }

    /**
     * Bits that wait lie highest, the last one at the top, as words do; what is below them is of no
     * account. A shift looks at the six lowest bits of its distance alone, so lengths need not be
     * taken out of words, and what is left of them stays below the bits that count.
     */
    private void encode(byte[] values, int first, int end, long[] words, int stream) {
        byte[] out = buffer;
        long bits = pending[stream];
        int to = at[stream];
        for (int i = first; i < end; i += 2 * STEP) {
            long w0 = words[LittleEndian.getU16(values, i) & words.length - 1];
            long w1 = words[LittleEndian.getU16(values, i + 8) & words.length - 1];
            long w2 = words[LittleEndian.getU16(values, i + 16) & words.length - 1];
            long w3 = words[LittleEndian.getU16(values, i + 24) & words.length - 1];
            int two = (int) (w2 + w3);
            int four = two + (int) (w0 + w1);
            bits = bits >>> four | ((w0 >>> w1 | w1) >>> two | (w2 >>> w3 | w3));
            LittleEndian.putI64(out, to >>> 3, bits >>> -((to & 7) + four));
            to += four;
        }
        pending[stream] = bits;
        at[stream] = to;
    }

    /** Bytes of a stream, when all is coded. */
    int bytes(int stream) {
        return (at[stream] + 7 >>> 3) - stream * room;
    }

    /** Copies the streams, one after the other; where they end. */
    int append(byte[] out, int to) {
        int end = to;
        for (int s = 0; s < STREAMS; s++) {
            // the last byte, with zero-bits above
            LittleEndian.putI64(buffer, at[s] >>> 3, pending[s] >>> 1 >>> 63 - (at[s] & 7));
            System.arraycopy(buffer, s * room, out, end, bytes(s));
            end += bytes(s);
        }
        return end;
    }

    /** Begins to decode a stream. */
    void begin(int stream, int from) {
        at[stream] = from << 3;
    }

    /** Where a stream ends whose values have all been decoded. */
    int end(int stream) {
        return at[stream] + 7 >>> 3;
    }

    /**
     * Decodes the values of a segment.
     *
     * @param entries {@link HuffmanCode#entries}
     */
    void decode(byte[] in, char[] entries, byte[] values, int to, int count) {
        int at0 = at[0];
        int at1 = at[1];
        int at2 = at[2];
        int at3 = at[3];
        int whole = count & -STEP;
        int m = entries.length - 1;
        for (int i = 0; i < whole; i += STEP) {
            long b0 = LittleEndian.getI64(in, at0 >>> 3) >>> (at0 & 7);
            long b1 = LittleEndian.getI64(in, at1 >>> 3) >>> (at1 & 7);
            long b2 = LittleEndian.getI64(in, at2 >>> 3) >>> (at2 & 7);
            long b3 = LittleEndian.getI64(in, at3 >>> 3) >>> (at3 & 7);
            long a0 = entries[(int) b0 & m];
            long a1 = entries[(int) b1 & m];
            long a2 = entries[(int) b2 & m];
            long a3 = entries[(int) b3 & m];
            LittleEndian.putI64(values, to + 2 * i, joined(a0, a1, a2, a3));
            b0 >>>= a0;
            b1 >>>= a1;
            b2 >>>= a2;
            b3 >>>= a3;
            long c0 = entries[(int) b0 & m];
            long c1 = entries[(int) b1 & m];
            long c2 = entries[(int) b2 & m];
            long c3 = entries[(int) b3 & m];
            LittleEndian.putI64(values, to + 2 * i + 8, joined(c0, c1, c2, c3));
            b0 >>>= c0;
            b1 >>>= c1;
            b2 >>>= c2;
            b3 >>>= c3;
            long d0 = entries[(int) b0 & m];
            long d1 = entries[(int) b1 & m];
            long d2 = entries[(int) b2 & m];
            long d3 = entries[(int) b3 & m];
            LittleEndian.putI64(values, to + 2 * i + 16, joined(d0, d1, d2, d3));
            b0 >>>= d0;
            b1 >>>= d1;
            b2 >>>= d2;
            b3 >>>= d3;
            long e0 = entries[(int) b0 & m];
            long e1 = entries[(int) b1 & m];
            long e2 = entries[(int) b2 & m];
            long e3 = entries[(int) b3 & m];
            LittleEndian.putI64(values, to + 2 * i + 24, joined(e0, e1, e2, e3));
            at0 += (int) (a0 + c0 + d0 + e0 & LENGTH);
            at1 += (int) (a1 + c1 + d1 + e1 & LENGTH);
            at2 += (int) (a2 + c2 + d2 + e2 & LENGTH);
            at3 += (int) (a3 + c3 + d3 + e3 & LENGTH);
        }
        at[0] = at0;
        at[1] = at1;
        at[2] = at2;
        at[3] = at3;
        for (int i = whole; i < count; i++) {
            int from = at[i & 3];
            int entry = entries[(int) (LittleEndian.getI64(in, from >>> 3) >>> (from & 7)) & m];
            LittleEndian.putI16(values, to + 2 * i, entry >>> HuffmanCode.LENGTH_BITS);
            at[i & 3] = from + (int) (entry & LENGTH);
        }
    }

    private static long joined(long e0, long e1, long e2, long e3) {
        return (e0 | e1 << 16 | e2 << 32 | e3 << 48) >>> HuffmanCode.LENGTH_BITS & VALUES;
    }
}
