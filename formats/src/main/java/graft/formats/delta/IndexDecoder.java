package graft.formats.delta;

import graft.formats.FileSpot;
import graft.formats.MalformedFileException;
import graft.formats.io.Layouts;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/** Reads coded positions, checking every step. Not thread-safe. */
final class IndexDecoder {
    private static final int WORD = 57; // bits in eight bytes, wherever they begin

    private final FileSpot spot;
    private final SparseTensor tensor;
    private final MemorySegment index;
    private final long elements;
    private long at; // next byte, or next bit for bit codes

    IndexDecoder(FileSpot spot, SparseTensor tensor, MemorySegment index) {
        this.spot = spot;
        this.tensor = tensor;
        this.index = index;
        this.elements = tensor.info().shape().elements();
    }

    /** The position after {@code position}. */
    long next(long position) throws MalformedFileException {
        if (tensor.index() == IndexCodec.BITMAP) {
            return nextSetBit();
        }
        long gap = gap();
        if (gap > elements - position - 2) {
            throw problem("a position beyond the tensor's %d elements".formatted(elements));
        }
        return position + gap + 1;
    }

    /** The {@code count} positions after {@code position}, at least one. */
    void next(long position, long[] into, int count) throws MalformedFileException {
        long last = position;
        for (int done = 0; done < count; ) {
            int some = tensor.index() == IndexCodec.RICE ? wordOfRice(last, into, done, count) : 0;
            if (some == 0) {
                into[done] = next(last);
                some = 1;
            }
            done += some;
            last = into[done - 1];
        }
    }

    /**
     * The positions whose codes lie within the next eight bytes: a word is read once.
     *
     * @return how many they are; 0 where a code needs a closer look
     */
    private int wordOfRice(long position, long[] into, int from, int to) {
        if ((at >> 3) + Long.BYTES > index.byteSize()) {
            return 0;
        }
        int parameter = tensor.parameter();
        long mask = (1L << parameter) - 1;
        long word = index.get(Layouts.I64, at >> 3) >>> (at & 7);
        int left = Long.SIZE - (int) (at & 7);
        long last = position;
        int j = from;
        while (j < to) {
            int ones =
                    Long.numberOfTrailingZeros(~word); // what was shifted in is zero: at most left
            int length = ones + 1 + parameter;
            long gap = ((long) ones << parameter) + (word >>> ones + 1 & mask);
            if (length > left || gap > elements - last - 2) {
                break;
            }
            last += gap + 1;
            into[j++] = last;
            word >>>= length;
            left -= length;
        }
        at += Long.SIZE - (at & 7) - left;
        return j - from;
    }

    private long gap() throws MalformedFileException {
        return switch (tensor.index()) {
            case DENSE -> 0;
            case U8_GAP -> escaped(1, 255);
            case U16_GAP -> escaped(2, 65535);
            case RICE -> rice();
            case NONE, BITMAP, CODED, DRAWN ->
                    throw new IllegalStateException(tensor.index().word());
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
        if ((at >> 3) + Long.BYTES <= index.byteSize()) {
            long word = index.get(Layouts.I64, at >> 3) >>> (at & 7); // 57 bits or more
            int ones = Long.numberOfTrailingZeros(~word);
            int length = ones + 1 + tensor.parameter();
            if (length <= WORD && ones <= elements >> tensor.parameter()) {
                at += length;
                long low = word >>> ones + 1 & (1L << tensor.parameter()) - 1;
                return ((long) ones << tensor.parameter()) + low;
            }
        }
        return riceByBits();
    }

    private long riceByBits() throws MalformedFileException {
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

    /** After the last position: nothing may be left over. */
    void checkEnd() throws MalformedFileException {
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
