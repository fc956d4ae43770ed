package graft.formats.pickle;

import graft.formats.io.Layouts;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;

/** Copies the elements of a strided view one after the other, little-endian. */
final class StridedBytes {
    private StridedBytes() {}

    /**
     * @param storage bytes of the whole storage
     * @param order byte order of the storage
     * @param word bytes of an indivisible part of an element, of which {@code extents} counts: 4
     *     for complex64
     * @param first index of the first word
     * @param strides in words, at least one axis
     * @param into as many bytes as the view has
     */
    static void gather(
            MemorySegment storage,
            ByteOrder order,
            int word,
            long first,
            long[] extents,
            long[] strides,
            MemorySegment into) {
        int inner = extents.length - 1;
        long count = extents[inner];
        long[] index = new long[inner];
        long from = first;
        for (long to = 0; to < into.byteSize(); to += count * word) {
            run(storage, order, word, from, strides[inner], count, into, to);
            for (int axis = inner - 1; axis >= 0; axis--) {
                from += strides[axis];
                if (++index[axis] < extents[axis]) {
                    break;
                }
                from -= extents[axis] * strides[axis];
                index[axis] = 0;
            }
        }
    }

    /** One row: {@code count} words, {@code stride} words apart, to byte {@code to}. */
    private static void run(
            MemorySegment storage,
            ByteOrder order,
            int word,
            long first,
            long stride,
            long count,
            MemorySegment into,
            long to) {
        long from = first * word;
        long step = stride * word;
        switch (word) {
            case 1 -> {
                for (long i = 0; i < count; i++) {
                    byte value = storage.get(ValueLayout.JAVA_BYTE, from + i * step);
                    into.set(ValueLayout.JAVA_BYTE, to + i, value);
                }
            }
            case 2 -> {
                var layout = Layouts.I16.withOrder(order);
                for (long i = 0; i < count; i++) {
                    into.set(Layouts.I16, to + 2 * i, storage.get(layout, from + i * step));
                }
            }
            case 4 -> {
                var layout = Layouts.I32.withOrder(order);
                for (long i = 0; i < count; i++) {
                    into.set(Layouts.I32, to + 4 * i, storage.get(layout, from + i * step));
                }
            }
            case 8 -> {
                var layout = Layouts.I64.withOrder(order);
                for (long i = 0; i < count; i++) {
                    into.set(Layouts.I64, to + 8 * i, storage.get(layout, from + i * step));
                }
            }
            default -> throw new IllegalArgumentException("words of " + word + " bytes");
        }
    }

    /** {@code values} times {@code factor}, and one more. */
    static long[] with(long[] values, int factor, long last) {
        long[] longer = new long[values.length + 1];
        for (int i = 0; i < values.length; i++) {
            longer[i] = values[i] * factor;
        }
        longer[values.length] = last;
        return longer;
    }
}
