package graft.formats.archive;

/**
 * Bits into an array, lowest first. The array needs {@link #SLACK_BYTES} beyond what is written.
 * Not thread-safe.
 */
final class BitWriter {
    static final int SLACK_BYTES = 8;

    /** Bits that can be put at once: up to seven are pending, and a long never fills up. */
    static final int MOST = 56;

    private final byte[] out;
    private int at;
    private long pending;
    private int fill;

    BitWriter(byte[] out, int at) {
        this.out = out;
        this.at = at;
    }

    /**
     * @param value nothing above its lowest {@code bits}
     * @param bits 0 to {@link #MOST}
     */
    void put(long value, int bits) {
        pending |= value << fill;
        fill += bits;
        // always stores, so that nothing depends on data: a branch would be mispredicted
        LittleEndian.putI64(out, at, pending);
        int whole = fill >>> 3;
        at += whole;
        pending >>>= whole << 3;
        fill &= 7;
    }

    /**
     * Puts the first {@code count} values, each as {@link #put} does.
     *
     * @param bits of each, up to {@link #MOST}
     */
    void put(long[] values, int count, int bits) {
        int pairs = 2 * bits <= MOST ? count & -2 : 0;
        byte[] to = out;
        int next = at;
        long last = pending;
        int filled = fill;
        for (int i = 0; i < pairs; i += 2) {
            last |= (values[i] | values[i + 1] << bits) << filled;
            filled += 2 * bits;
            LittleEndian.putI64(to, next, last);
            next += filled >>> 3;
            last >>>= filled & -8;
            filled &= 7;
        }
        at = next;
        pending = last;
        fill = filled;
        for (int i = pairs; i < count; i++) {
            put(values[i], bits);
        }
    }

    /** Elias's gamma code of a number from 1: as many zeros as it has further bits, then it. */
    void putGamma(int value) {
        int further = 31 - Integer.numberOfLeadingZeros(value);
        put(1L << further, further + 1);
        put(value - (1L << further), further);
    }

    /** Zero-bits up to a whole byte; where that ends. */
    int end() {
        if (fill > 0) {
            out[at++] = (byte) pending;
            pending = 0;
            fill = 0;
        }
        return at;
    }
}
