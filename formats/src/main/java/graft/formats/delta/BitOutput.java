package graft.formats.delta;

import java.io.IOException;
import java.io.OutputStream;

/** Bits into bytes, lowest bit first. */
final class BitOutput {
    /** Bits that can be written at once. */
    static final int MOST = 56;

    private final OutputStream out;
    private long held;
    private int count; // bits held, below 8

    BitOutput(OutputStream out) {
        this.out = out;
    }

    void write(int bit) throws IOException {
        write(bit, 1);
    }

    /** The low {@code length} of {@code bits}, at most {@link #MOST}; the others are zero. */
    void write(long bits, int length) throws IOException {
        held |= bits << count;
        count += length;
        for (; count >= 8; count -= 8) {
            out.write((int) held & 0xff);
            held >>>= 8;
        }
    }

    /** Fills the last byte with zeros. */
    void finish() throws IOException {
        if (count > 0) {
            out.write((int) held);
            held = 0;
            count = 0;
        }
    }
}
