package graft.formats.tensor;

import graft.formats.io.Layouts;

import java.lang.foreign.MemorySegment;

/**
 * Narrows tiles of float32 to a type, rounding as {@link Elements#narrow} does, and gives them back
 * as they are stored. Not thread-safe.
 */
public final class Narrower {
    private final DType type;
    private final int[] bits; // of float32
    private final short[] halves; // half-precision elements on their way

    /**
     * @param most elements of a tile
     * @throws IllegalArgumentException if the type is not {@linkplain DType#isComputable
     *     computable}
     */
    public Narrower(DType type, int most) {
        if (!type.isComputable()) {
            throw Elements.notComputable(type);
        }
        this.type = type;
        this.bits = new int[most];
        this.halves = new short[type == DType.F16 || type == DType.BF16 ? most : 0];
    }

    /**
     * Rounds {@code count} values in their place, for {@link #store} to store.
     *
     * @return whether all are finite as they are stored; if not, nothing is done
     */
    public boolean round(float[] values, int count) {
        // maxima of int are vectorised, of float not
        Elements.reinterpret(values, 0, bits, count);
        float largest = Float.intBitsToFloat(Elements.largest(bits, count));
        // rounding keeps their order, so the largest tells of all
        if (!Float.isFinite(Elements.round(type, largest))) {
            return false;
        }
        if (type == DType.F16) {
            Elements.narrowHalf(values, 0, halves, count);
            Elements.widenHalf(halves, 0, values, 0, count);
        } else if (type == DType.BF16) {
            Elements.roundBrain(bits, halves, count);
            Elements.reinterpret(bits, values, 0, count);
        }
        return true;
    }

    /** Stores what was rounded last into {@code bytes}, from element {@code first}. */
    public void store(float[] values, int count, MemorySegment bytes, long first) {
        if (halves.length > 0) {
            MemorySegment.copy(halves, 0, bytes, Layouts.I16, 2 * first, count);
        } else {
            Elements.narrow(type, values, 0, bytes, first, count);
        }
    }
}
