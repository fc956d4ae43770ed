package graft.formats.delta;

import graft.formats.io.Layouts;

import java.io.IOException;
import java.io.OutputStream;
import java.lang.foreign.MemorySegment;

/** Bits into bytes, lowest bit first; they reach the stream by {@link #finish}. */
final class BitOutput {
    /** Bits that can be written at once. */
    static final int MOST = 56;

    private final OutputStream out;
    private final byte[] full = new byte[1 << 10];
    private final MemorySegment words = MemorySegment.ofArray(full);
    private int fullBytes;
    private long held;
    private int count; // bits held, below 64

    BitOutput(OutputStream out) {
        this.out = out;
    }

    void write(int bit) throws IOException {
        write(bit, 1);
    }

    /** The low {@code length} of {@code bits}, at most {@link #MOST}; the others are zero. */
    void write(long bits, int length) throws IOException {
        held |= bits << count;
        int end = count + length;
        if (end >= Long.SIZE) {
            store();
            held = bits >>> Long.SIZE - count; // above 8, or it would not be full
            end -= Long.SIZE;
        }
        count = end;
    }

    private void store() throws IOException {
        words.set(Layouts.I64, fullBytes, held);
        fullBytes += Long.BYTES;
        if (fullBytes == full.length) {
            flush();
        }
    }

    private void flush() throws IOException {
        out.write(full, 0, fullBytes);
        fullBytes = 0;
    }

    /** Fills the last byte with zeros. */
    void finish() throws IOException {
        flush();
        for (; count > 0; count -= 8) {
            out.write((int) held & 0xff);
            held >>>= 8;
        }
        count = 0;
    }
}
