package graft.formats.delta;

import java.io.IOException;
import java.io.OutputStream;

/**
 * Codes ascending positions into a stream, exactly as many bytes as {@link IndexSizes} said. Not
 * thread-safe.
 */
final class IndexEncoder {
    private static final int UNARY = 48; // ones written at once

    private final IndexCodec codec;
    private final int parameter;
    private final long elements;
    private final OutputStream out;
    private final BitOutput bits;
    private long previous = -1;
    private long written;

    IndexEncoder(SparseTensor tensor, OutputStream out) {
        this.codec = tensor.index();
        this.parameter = tensor.parameter();
        this.elements = tensor.info().shape().elements();
        this.out = out;
        this.bits = new BitOutput(out);
    }

    void add(long index) throws IOException {
        long gap = index - previous - 1;
        previous = index;
        switch (codec) {
            case NONE, DENSE, CODED, DRAWN -> {}
            case BITMAP -> bitmap(index);
            case U8_GAP -> {
                for (; gap >= 255; gap -= 255) {
                    out.write(255);
                }
                out.write((int) gap);
            }
            case U16_GAP -> {
                for (; gap >= 65535; gap -= 65535) {
                    out.write(255);
                    out.write(255);
                }
                out.write((int) gap);
                out.write((int) (gap >> 8));
            }
            case RICE -> {
                long ones = gap >> parameter;
                for (; ones >= UNARY; ones -= UNARY) {
                    bits.write((1L << UNARY) - 1, UNARY);
                }
                long low = gap & (1L << parameter) - 1;
                int unary = (int) ones + 1; // with the zero that ends it
                if (unary + parameter <= BitOutput.MOST) {
                    bits.write(low << unary | (1L << ones) - 1, unary + parameter);
                } else {
                    bits.write((1L << ones) - 1, unary);
                    bits.write(low, parameter);
                }
            }
        }
    }

    /** The first {@code count} of {@code indices}. */
    void add(int[] indices, int count) throws IOException {
        for (int done = 0; done < count; ) {
            if (codec == IndexCodec.RICE) {
                done += bits.writeRice(indices, done, count, previous, parameter);
                previous = done == 0 ? previous : indices[done - 1];
            }
            if (done < count) {
                add(indices[done++]);
            }
        }
    }

    private void bitmap(long index) throws IOException {
        for (; written < index; written++) {
            bits.write(0);
        }
        bits.write(1);
        written++;
    }

    void finish() throws IOException {
        if (codec == IndexCodec.BITMAP) {
            for (; written < elements; written++) {
                bits.write(0);
            }
        }
        bits.finish();
    }
}
