package graft.formats.archive;

/**
 * Reads what {@link BitWriter} wrote. The array needs {@link BitWriter#SLACK_BYTES} beyond the last
 * byte read; further outside it throws. Not thread-safe.
 */
final class BitReader {
    private final byte[] from;
    private long bit;

    BitReader(byte[] from, int at) {
        this.from = from;
        this.bit = 8L * at;
    }

    /**
     * @param bits 0 to 32
     */
    long get(int bits) {
        long word = LittleEndian.getI64(from, (int) (bit >>> 3)) >>> (bit & 7);
        bit += bits;
        return word & ((1L << bits) - 1);
    }

    int getGamma() throws CorruptBlockException {
        int further = Long.numberOfTrailingZeros(get(32));
        if (further > 24) {
            throw new CorruptBlockException("a number of more than 24 bits");
        }
        bit += further + 1 - 32;
        return (1 << further) + (int) get(further);
    }

    /** The first byte that no bit was read of. */
    int end() {
        return (int) ((bit + 7) >>> 3);
    }
}
