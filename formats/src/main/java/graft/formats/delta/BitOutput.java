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

    /** A bit for each of the first {@code count} values: 1 for those below zero. */
    void writeSigns(float[] values, int count) throws IOException {
        for (int done = 0; done < count; done += Integer.SIZE) {
            int some = Math.min(Integer.SIZE, count - done);
            long bits = 0;
            for (int j = 0; j < some; j++) {
                bits |= (values[done + j] < 0 ? 1L : 0L) << j;
            }
            write(bits, some);
        }
    }

    /**
     * Golomb–Rice codes of the gaps between positions, as far as each fits into one word.
     *
     * @param previous position before the first
     * @return how many were written
     */
    int writeRice(int[] positions, int from, int to, long previous, int parameter)
            throws IOException {
        long mask = (1L << parameter) - 1;
        long last = previous;
        long word = held;
        int length = this.count;
        int j = from;
        for (; j < to; j++) {
            long gap = positions[j] - last - 1;
            int unary = (int) Math.min(gap >> parameter, MOST) + 1; // with the zero that ends it
            if (unary + parameter > MOST) {
                break;
            }
            last = positions[j];
            long code = (gap & mask) << unary | (1L << unary - 1) - 1;
            word |= code << length;
            length += unary + parameter;
            if (length >= Long.SIZE) {
                held = word;
                store();
                length -= Long.SIZE;
                word = code >>> unary + parameter - length; // of which that many are left
            }
        }
        held = word;
        count = length;
        return j - from;
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
