package graft.formats.tensor;

import graft.formats.io.Layouts;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * Moves tiles of elements between tensor bytes and float arrays.
 *
 * <p>Widening to float32 is exact for F16, BF16 and F32 and rounds once for F64. Narrowing rounds
 * once, to nearest even. Half-precision elements are copied and converted over arrays: HotSpot
 * vectorised loops over mapped segments or not depending on what else had run.
 */
public final class Elements {
    /** Elements copied at once: 4 KiB stay in the first cache. */
    private static final int CHUNK = 2048;

    private static final int INFINITY_BITS = 0x7f800000;

    private Elements() {}

    /**
     * Widens {@code count} elements from element {@code first} of {@code bytes} into {@code into},
     * from index {@code at}.
     *
     * @throws IllegalArgumentException if the type is not {@linkplain DType#isComputable
     *     computable}
     */
    public static void widen(
            DType type, MemorySegment bytes, long first, float[] into, int at, int count) {
        switch (type) {
            case F16, BF16 -> {
                var halves = new Halves(type, Math.min(CHUNK, count));
                for (int done = 0; done < count; done += CHUNK) {
                    int length = Math.min(CHUNK, count - done);
                    halves.gather(bytes, first + done, 0, length);
                    halves.widen(into, at + done, length);
                }
            }
            case F32 -> MemorySegment.copy(bytes, Layouts.F32, 4 * first, into, at, count);
            case F64 -> {
                for (int i = 0; i < count; i++) {
                    into[at + i] = (float) bytes.get(Layouts.F64, 8 * (first + i));
                }
            }
            default -> throw notComputable(type);
        }
    }

    /**
     * Widens {@code rows} times {@code count} elements, which begin at {@code first} and every
     * {@code stride} after it, into {@code into} without gaps.
     *
     * @throws IllegalArgumentException if the type is not {@linkplain DType#isComputable
     *     computable}
     */
    public static void widen(
            DType type,
            MemorySegment bytes,
            long first,
            long stride,
            float[] into,
            int rows,
            int count) {
        if (stride == count) {
            widen(type, bytes, first, into, 0, rows * count);
            return;
        }
        boolean isHalf = type == DType.F16 || type == DType.BF16;
        if (!isHalf || count > CHUNK) {
            for (int i = 0; i < rows; i++) {
                widen(type, bytes, first + i * stride, into, i * count, count);
            }
            return;
        }
        int together = CHUNK / Math.max(1, count); // rows may be short, and loops like to run
        var halves = new Halves(type, CHUNK);
        for (int done = 0; done < rows; done += together) {
            int some = Math.min(together, rows - done);
            for (int i = 0; i < some; i++) {
                halves.gather(bytes, first + (done + i) * stride, i * count, count);
            }
            halves.widen(into, done * count, some * count);
        }
    }

    /**
     * Narrows {@code count} values of {@code from}, from index {@code at}, into {@code bytes} from
     * element {@code first}.
     *
     * @throws IllegalArgumentException if the type is not {@linkplain DType#isComputable
     *     computable}
     */
    public static void narrow(
            DType type, float[] from, int at, MemorySegment bytes, long first, int count) {
        switch (type) {
            case F16, BF16 -> {
                short[] chunk = new short[Math.min(CHUNK, count)];
                int[] wide = new int[type == DType.F16 ? 0 : chunk.length];
                for (int done = 0; done < count; done += chunk.length) {
                    int length = Math.min(chunk.length, count - done);
                    if (type == DType.F16) {
                        narrowHalf(from, at + done, chunk, length);
                    } else {
                        reinterpret(from, at + done, wide, length);
                        narrowBrain(wide, chunk, length);
                    }
                    MemorySegment.copy(chunk, 0, bytes, Layouts.I16, 2 * (first + done), length);
                }
            }
            case F32 -> MemorySegment.copy(from, at, bytes, Layouts.F32, 4 * first, count);
            case F64 -> {
                for (int i = 0; i < count; i++) {
                    bytes.set(Layouts.F64, 8 * (first + i), from[at + i]);
                }
            }
            default -> throw notComputable(type);
        }
    }

    /** Half-precision elements on their way. */
    private static final class Halves {
        private final short[] chunk;
        private final int[] bits; // of float32, for BF16

        Halves(DType type, int most) {
            this.chunk = new short[most];
            this.bits = new int[type == DType.BF16 ? most : 0];
        }

        void gather(MemorySegment bytes, long first, int at, int count) {
            MemorySegment.copy(bytes, Layouts.I16, 2 * first, chunk, at, count);
        }

        void widen(float[] into, int at, int count) {
            if (bits.length == 0) {
                widenHalf(chunk, 0, into, at, count);
                return;
            }
            widenBrain(chunk, 0, bits, count);
            reinterpret(bits, into, at, count);
        }
    }

    static void widenHalf(short[] from, int first, float[] into, int at, int count) {
        for (int i = 0; i < count; i++) {
            into[at + i] = Float.float16ToFloat(from[first + i]);
        }
    }

    /**
     * Bits of the widened values. By way of float, which is exact: HotSpot 25 vectorises
     * conversions of short to float to int, but neither short to int nor int bits to float; a
     * fourth of the time.
     */
    static void widenBrain(short[] from, int first, int[] into, int count) {
        for (int i = 0; i < count; i++) {
            into[i] = (int) (float) from[first + i] << 16;
        }
    }

    static void reinterpret(int[] bits, float[] into, int at, int count) {
        MemorySegment.copy(
                bits, 0, MemorySegment.ofArray(into), ValueLayout.JAVA_INT, 4L * at, count);
    }

    static void reinterpret(float[] from, int at, int[] bits, int count) {
        MemorySegment.copy(
                MemorySegment.ofArray(from), ValueLayout.JAVA_INT, 4L * at, bits, 0, count);
    }

    static void narrowHalf(float[] from, int at, short[] into, int count) {
        for (int i = 0; i < count; i++) {
            into[i] = Float.floatToFloat16(from[at + i]);
        }
    }

    /** From bits of float32, which are changed; without a branch where there is no NaN. */
    private static void narrowBrain(int[] bits, short[] into, int count) {
        if (hasNan(bits, count)) {
            for (int i = 0; i < count; i++) {
                into[i] = floatToBfloat16(Float.intBitsToFloat(bits[i]));
            }
            return;
        }
        roundIntoLower(bits, count);
        truncate(bits, into, count);
    }

    // a loop a method: each is then compiled once, by itself

    private static void roundIntoLower(int[] bits, int count) {
        for (int i = 0; i < count; i++) {
            bits[i] = bits[i] + 0x7fff + (bits[i] >>> 16 & 1) >>> 16;
        }
    }

    private static void truncate(int[] from, short[] into, int count) {
        for (int i = 0; i < count; i++) {
            into[i] = (short) from[i];
        }
    }

    /** Element {@code index} of {@code bytes}, widened as {@link #widen} does. */
    public static float get(DType type, MemorySegment bytes, long index) {
        return switch (type) {
            case F16 -> Float.float16ToFloat(bytes.get(Layouts.I16, 2 * index));
            case BF16 -> Float.intBitsToFloat(bytes.get(Layouts.I16, 2 * index) << 16);
            case F32 -> bytes.get(Layouts.F32, 4 * index);
            case F64 -> (float) bytes.get(Layouts.F64, 8 * index);
            default -> throw notComputable(type);
        };
    }

    /** The bits of {@code value} as {@code type} stores it, rounded as {@link #narrow} does. */
    public static long bits(DType type, float value) {
        return switch (type) {
            case F16 -> Float.floatToFloat16(value);
            case BF16 -> floatToBfloat16(value);
            case F32 -> Float.floatToRawIntBits(value);
            case F64 -> Double.doubleToRawLongBits(value);
            default -> throw notComputable(type);
        };
    }

    /**
     * {@code value} as {@code type} stores it, back as float32: what a reader of the file will see.
     */
    public static float round(DType type, float value) {
        return switch (type) {
            case F16 -> Float.float16ToFloat(Float.floatToFloat16(value));
            case BF16 -> Float.intBitsToFloat(floatToBfloat16(value) << 16);
            case F32, F64 -> value;
            default -> throw notComputable(type);
        };
    }

    /** {@link #round(DType, float)} of the first {@code count} values, in their place. */
    public static void round(DType type, float[] values, int count) {
        switch (type) {
            case F16 -> {
                short[] halves = new short[count];
                narrowHalf(values, 0, halves, count);
                widenHalf(halves, 0, values, 0, count);
            }
            case BF16 -> {
                int[] bits = new int[count];
                reinterpret(values, 0, bits, count);
                roundBrain(bits, count);
                reinterpret(bits, values, 0, count);
            }
            case F32, F64 -> {}
            default -> throw notComputable(type);
        }
    }

    /** Bits of float32, rounded; without a branch where there is no NaN. */
    private static void roundBrain(int[] bits, int count) {
        if (hasNan(bits, count)) {
            for (int i = 0; i < count; i++) {
                bits[i] = floatToBfloat16(Float.intBitsToFloat(bits[i])) << 16;
            }
            return;
        }
        roundIntoUpper(bits, count);
    }

    private static void roundIntoUpper(int[] bits, int count) {
        for (int i = 0; i < count; i++) {
            bits[i] = bits[i] + 0x7fff + (bits[i] >>> 16 & 1) & 0xffff0000;
        }
    }

    /** The same where there is none, with the upper halves apart. */
    static void roundBrain(int[] bits, short[] halves, int count) {
        roundIntoUpper(bits, count);
        for (int i = 0; i < count; i++) {
            halves[i] = (short) (bits[i] >>> 16);
        }
    }

    private static boolean hasNan(int[] bits, int count) {
        return largest(bits, count) > INFINITY_BITS;
    }

    /** Bits of the largest magnitude; a NaN has more than all else. */
    static int largest(int[] bits, int count) {
        int largest = 0;
        for (int i = 0; i < count; i++) {
            largest = Math.max(largest, bits[i] & Integer.MAX_VALUE);
        }
        return largest;
    }

    /** Float32 to bfloat16, to nearest even; a NaN stays a quiet NaN. */
    public static short floatToBfloat16(float value) {
        int bits = Float.floatToRawIntBits(value);
        if (Float.isNaN(value)) {
            return (short) (bits >>> 16 | 0x40); // rounding could carry a NaN over to infinity
        }
        return (short) (bits + 0x7fff + (bits >>> 16 & 1) >>> 16);
    }

    static IllegalArgumentException notComputable(DType type) {
        return new IllegalArgumentException(type + " is not a type Graft computes with");
    }
}
