package graft.formats.tensor;

import graft.formats.io.Layouts;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * Widens elements of one type to float32, tile after tile, as {@link Elements#widen} does once.
 * Holds a few kB that every tile goes through. Not thread-safe.
 */
public final class Widener {
    /** Elements copied at once: 4 KiB stay in the first cache. */
    static final int CHUNK = 2048;

    private final DType type;
    private final short[] chunk; // half-precision elements on their way
    private final int[] bits; // of float32, for BF16

    /**
     * @throws IllegalArgumentException if the type is not {@linkplain DType#isComputable
     *     computable}
     */
    public Widener(DType type) {
        this(type, CHUNK);
    }

    /**
     * @param most elements of a tile, if they are fewer than {@link #CHUNK}
     */
    Widener(DType type, int most) {
        if (!type.isComputable()) {
            throw Elements.notComputable(type);
        }
        boolean isHalf = type == DType.F16 || type == DType.BF16;
        this.type = type;
        this.chunk = new short[isHalf ? Math.min(CHUNK, most) : 0];
        this.bits = new int[type == DType.BF16 ? chunk.length : 0];
    }

    /**
     * Widens {@code count} elements from element {@code first} of {@code bytes} into {@code into},
     * from index {@code at}.
     */
    public void widen(MemorySegment bytes, long first, float[] into, int at, int count) {
        switch (type) {
            case F16, BF16 -> {
                for (int done = 0; done < count; done += chunk.length) {
                    int length = Math.min(chunk.length, count - done);
                    gather(bytes, first + done, 0, length);
                    gathered(into, at + done, length);
                }
            }
            case F32 -> MemorySegment.copy(bytes, Layouts.F32, 4 * first, into, at, count);
            default -> { // F64
                for (int i = 0; i < count; i++) {
                    into[at + i] = (float) bytes.get(Layouts.F64, 8 * (first + i));
                }
            }
        }
    }

    /** Takes half-precision elements into the chunk, from element {@code at} of it. */
    void gather(MemorySegment bytes, long first, int at, int count) {
        MemorySegment.copy(bytes, Layouts.I16, 2 * first, chunk, at, count);
    }

    /** Widens what was gathered. */
    void gathered(float[] into, int at, int count) {
        if (type == DType.F16) {
            widenHalf(chunk, into, at, count);
        } else {
            widenBrain(chunk, bits, count);
            MemorySegment.copy(
                    bits, 0, MemorySegment.ofArray(into), ValueLayout.JAVA_INT, 4L * at, count);
        }
    }

    private static void widenHalf(short[] from, float[] into, int at, int count) {
        for (int i = 0; i < count; i++) {
            into[at + i] = Float.float16ToFloat(from[i]);
        }
    }

    /**
     * Bits of the widened values. By way of float, which is exact: HotSpot 25 vectorises
     * conversions of short to float to int, but neither short to int nor int bits to float; a
     * fourth of the time.
     */
    private static void widenBrain(short[] from, int[] into, int count) {
        for (int i = 0; i < count; i++) {
            into[i] = (int) (float) from[i] << 16;
        }
    }
}
