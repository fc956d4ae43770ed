package graft.formats.delta;

import java.io.IOException;
import java.io.OutputStream;

/**
 * A binary range coder with carry propagation (Martin 1979, in the form of LZMA): 32 bits of range,
 * probabilities of 16 bits. Not thread-safe.
 */
final class RangeEncoder {
    private final OutputStream out;
    private long low;
    private long range = 0xffffffffL;
    private int held; // the last byte, which a carry may still raise
    private long pending; // bytes of 255 after it
    private boolean started;

    RangeEncoder(OutputStream out) {
        this.out = out;
    }

    /**
     * @param zero probability of a 0 in 1/65536, from 1 to 65535
     */
    void encode(int bit, int zero) throws IOException {
        long bound = (range >>> 16) * zero;
        if (bit == 0) {
            range = bound;
        } else {
            low += bound;
            range -= bound;
        }
        while (range < 1 << 24) {
            range = range << 8 & 0xffffffffL;
            shift();
        }
    }

    private void shift() throws IOException {
        if (low < 0xff000000L || low > 0xffffffffL) {
            int carry = (int) (low >>> 32);
            if (started) {
                out.write(held + carry);
            }
            for (; pending > 0; pending--) {
                out.write(0xff + carry);
            }
            held = (int) (low >>> 24) & 0xff;
            started = true;
        } else {
            pending++;
        }
        low = (low & 0x00ffffffL) << 8;
    }

    /**
     * Writes what is held back; trailing zeros are left out, as a reader past the end sees zeros.
     */
    void finish() throws IOException {
        // Any value in [low, low + range) decodes alike: take the one with the most zeros at its
        // end.
        for (int zeros = 32; zeros >= 0; zeros -= 8) {
            long mask = (1L << zeros) - 1;
            long value = low + mask & ~mask;
            if (value - low < range) {
                low = value;
                break;
            }
        }
        while (low != 0 || pending > 0) {
            shift();
        }
        if (started && held != 0) {
            out.write(held);
        }
    }
}
