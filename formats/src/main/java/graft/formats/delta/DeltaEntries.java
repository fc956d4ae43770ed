package graft.formats.delta;

import graft.formats.FileSpot;
import graft.formats.MalformedFileException;
import graft.formats.tensor.DType;
import graft.formats.tensor.Elements;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * A cursor over the kept positions of one tensor, ascending. Every step is checked: positions stay
 * in the tensor, there are exactly as many as the directory says, and no byte is left over. Not
 * thread-safe; open one per thread.
 */
public final class DeltaEntries {
    private final FileSpot spot;
    private final SparseTensor tensor;
    private final MemorySegment index;
    private final MemorySegment values;
    private final long elements;
    private final float[] one = new float[1];
    private long seen;
    private long position = -1;
    private long at; // next byte, or next bit for bit codes

    /**
     * @param spot file, tensor, and byte at which the tensor's part of the blob begins
     */
    DeltaEntries(FileSpot spot, SparseTensor tensor, MemorySegment bytes) {
        this.spot = spot;
        this.tensor = tensor;
        this.index = bytes.asSlice(0, tensor.indexBytes());
        this.values = bytes.asSlice(tensor.indexBytes(), tensor.valueBytes());
        this.elements = tensor.info().shape().elements();
    }

    /**
     * Moves to the next position.
     *
     * @return false after the last one
     * @throws MalformedFileException if the coded positions break a rule
     */
    public boolean next() throws MalformedFileException {
        if (seen == tensor.count()) {
            checkEnd();
            return false;
        }
        if (tensor.index() == IndexCodec.BITMAP) {
            position = nextSetBit();
        } else {
            long gap = gap();
            if (gap > elements - position - 2) {
                throw problem("a position beyond the tensor's %d elements".formatted(elements));
            }
            position += gap + 1;
        }
        seen++;
        return true;
    }

    /** Flat row-major index of the current entry. */
    public long index() {
        return position;
    }

    /** Its value: absolute for exact values, the difference to add for signs. */
    public float value() {
        long ordinal = seen - 1;
        if (tensor.values() == ValueCodec.SIGN) {
            int sign = values.get(ValueLayout.JAVA_BYTE, ordinal >> 3) >> (ordinal & 7) & 1;
            return sign == 0 ? tensor.scale() : -tensor.scale();
        }
        Elements.widen(tensor.info().dtype(), values, ordinal, one, 0, 1);
        return one[0];
    }

    /**
     * What the model has at the current position: the exact value, or base plus difference rounded
     * once to the model's type. As float32, which holds either.
     */
    public float absolute(float base) {
        if (tensor.values() == ValueCodec.EXACT) {
            return value();
        }
        DType type = tensor.info().dtype();
        return Elements.round(type, base + value());
    }

    private long gap() throws MalformedFileException {
        return switch (tensor.index()) {
            case DENSE -> 0;
            case U8_GAP -> escaped(1, 255);
            case U16_GAP -> escaped(2, 65535);
            case RICE -> rice();
            case NONE, BITMAP -> throw new IllegalStateException(tensor.index().word());
        };
    }

    private long escaped(int width, int escape) throws MalformedFileException {
        long gap = 0;
        while (true) {
            if (at + width > index.byteSize()) {
                throw problem("positions run past their %d bytes".formatted(index.byteSize()));
            }
            int unit = index.get(ValueLayout.JAVA_BYTE, at) & 0xff;
            if (width == 2) {
                unit |= (index.get(ValueLayout.JAVA_BYTE, at + 1) & 0xff) << 8;
            }
            at += width;
            gap += unit;
            if (unit < escape) {
                return gap;
            }
        }
    }

    private long rice() throws MalformedFileException {
        long quotient = 0;
        while (bit() == 1) {
            quotient++;
        }
        long low = 0;
        for (int i = 0; i < tensor.parameter(); i++) {
            low |= (long) bit() << i;
        }
        if (quotient > elements >> tensor.parameter()) {
            throw problem("a gap longer than the tensor");
        }
        return (quotient << tensor.parameter()) + low;
    }

    private long nextSetBit() throws MalformedFileException {
        while (at < elements) {
            if (bit() == 1) {
                return at - 1;
            }
        }
        throw problem("fewer bits set than the %d kept".formatted(tensor.count()));
    }

    private int bit() throws MalformedFileException {
        if (at >> 3 >= index.byteSize()) {
            throw problem("positions run past their %d bytes".formatted(index.byteSize()));
        }
        int bit = index.get(ValueLayout.JAVA_BYTE, at >> 3) >> (at & 7) & 1;
        at++;
        return bit;
    }

    private void checkEnd() throws MalformedFileException {
        boolean bits = tensor.index() == IndexCodec.BITMAP || tensor.index() == IndexCodec.RICE;
        if (bits) {
            long end = index.byteSize() * 8;
            boolean inLastByte = tensor.index() == IndexCodec.BITMAP || end - at < 8;
            while (inLastByte && at < end) {
                inLastByte = bit() == 0;
            }
            if (!inLastByte) {
                throw problem("more positions than the %d kept".formatted(tensor.count()));
            }
        } else if (at != index.byteSize()) {
            throw problem("%d bytes of positions left over".formatted(index.byteSize() - at));
        }
    }

    private MalformedFileException problem(String problem) {
        return new MalformedFileException(spot, problem);
    }
}
