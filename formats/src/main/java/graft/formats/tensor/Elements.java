package graft.formats.tensor;

import graft.formats.io.Layouts;

import java.lang.foreign.MemorySegment;

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
                short[] chunk = new short[Math.min(CHUNK, count)];
                for (int done = 0; done < count; done += chunk.length) {
                    int length = Math.min(chunk.length, count - done);
                    MemorySegment.copy(bytes, Layouts.I16, 2 * (first + done), chunk, 0, length);
                    if (type == DType.F16) {
                        widenHalf(chunk, into, at + done, length);
                    } else {
                        widenBrain(chunk, into, at + done, length);
                    }
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
                for (int done = 0; done < count; done += chunk.length) {
                    int length = Math.min(chunk.length, count - done);
                    if (type == DType.F16) {
                        narrowHalf(from, at + done, chunk, length);
                    } else {
                        narrowBrain(from, at + done, chunk, length);
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

    private static void widenHalf(short[] from, float[] into, int at, int count) {
        for (int i = 0; i < count; i++) {
            into[at + i] = Float.float16ToFloat(from[i]);
        }
    }

    private static void widenBrain(short[] from, float[] into, int at, int count) {
        for (int i = 0; i < count; i++) {
            into[at + i] = Float.intBitsToFloat(from[i] << 16);
        }
    }

    private static void narrowHalf(float[] from, int at, short[] into, int count) {
        for (int i = 0; i < count; i++) {
            into[i] = Float.floatToFloat16(from[at + i]);
        }
    }

    private static void narrowBrain(float[] from, int at, short[] into, int count) {
        for (int i = 0; i < count; i++) {
            into[i] = floatToBfloat16(from[at + i]);
        }
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

    /** Float32 to bfloat16, to nearest even; a NaN stays a quiet NaN. */
    public static short floatToBfloat16(float value) {
        int bits = Float.floatToRawIntBits(value);
        if (Float.isNaN(value)) {
            return (short) (bits >>> 16 | 0x40); // rounding could carry a NaN over to infinity
        }
        return (short) (bits + 0x7fff + (bits >>> 16 & 1) >>> 16);
    }

    private static IllegalArgumentException notComputable(DType type) {
        return new IllegalArgumentException(type + " is not a type Graft computes with");
    }
}
