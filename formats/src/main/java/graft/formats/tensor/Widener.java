package graft.formats.tensor;

import graft.formats.io.Layouts;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * Widens a tensor's elements to float32, tile after tile in ascending order, as {@link
 * Elements#widen} does once. Half-precision elements are copied in long runs, which memory delivers
 * faster than short ones in turn with other tensors, and widened in short ones. Not thread-safe.
 */
public final class Widener {
    /** Elements widened at once: 4 KiB stay in the first cache. */
    static final int CHUNK = 2048;

    /** Elements copied at once: 32 KiB, for some tensors side by side, stay in the second. */
    private static final int RUN = 1 << 14;

    private final DType type;
    private final MemorySegment bytes;
    private final boolean isHalf;
    private final long elements;
    private final short[] run; // half-precision elements on their way
    private final int[] bits; // of float32, for BF16
    private long runFirst;
    private int runLength;

    /**
     * @param bytes all elements of the tensor
     * @throws IllegalArgumentException if the type is not {@linkplain DType#isComputable
     *     computable}
     */
    public Widener(DType type, MemorySegment bytes) {
        if (!type.isComputable()) {
            throw Elements.notComputable(type);
        }
        this.type = type;
        this.bytes = bytes;
        this.isHalf = type == DType.F16 || type == DType.BF16;
        this.elements = bytes.byteSize() / type.bytes();
        int most = isHalf ? (int) Math.min(RUN, elements) : 0;
        this.run = new short[most];
        this.bits = new int[type == DType.BF16 ? Math.min(CHUNK, most) : 0];
    }

    /**
     * Widens {@code count} elements from element {@code first} on into {@code into}, from index
     * {@code at}.
     */
    public void widen(long first, float[] into, int at, int count) {
        if (!isHalf) {
            Elements.widen(type, bytes, first, into, at, count);
            return;
        }
        for (int done = 0; done < count; ) {
            long next = first + done;
            if (next < runFirst || next >= runFirst + runLength) {
                runFirst = next;
                runLength = (int) Math.min(run.length, elements - next);
                MemorySegment.copy(bytes, Layouts.I16, 2 * next, run, 0, runLength);
            }
            int from = (int) (next - runFirst);
            int some = Math.min(Math.min(CHUNK, count - done), runLength - from);
            if (type == DType.F16) {
                Elements.widenHalf(run, from, into, at + done, some);
            } else {
                Elements.widenBrain(run, from, bits, some);
                MemorySegment.copy(
                        bits,
                        0,
                        MemorySegment.ofArray(into),
                        ValueLayout.JAVA_INT,
                        4L * (at + done),
                        some);
            }
            done += some;
        }
    }
}
