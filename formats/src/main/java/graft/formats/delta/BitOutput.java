package graft.formats.delta;

import java.io.IOException;
import java.io.OutputStream;

/** Bits into bytes, lowest bit first. */
final class BitOutput {
    private final OutputStream out;
    private int held;
    private int count;

    BitOutput(OutputStream out) {
        this.out = out;
    }

    void write(int bit) throws IOException {
        held |= bit << count;
        if (++count == 8) {
            finish();
        }
    }

    /** Fills the last byte with zeros. */
    void finish() throws IOException {
        if (count > 0) {
            out.write(held);
            held = 0;
            count = 0;
        }
    }
}
