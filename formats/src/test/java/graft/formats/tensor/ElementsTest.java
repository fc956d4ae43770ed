package graft.formats.tensor;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.math.BigDecimal;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Random;

class ElementsTest {
    /** Every 16-bit pattern is a number that widens exactly, so narrowing must give it back. */
    @ParameterizedTest
    @EnumSource(names = {"F16", "BF16"})
    void everyPatternSurvivesWideningAndNarrowing(DType type) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment all = arena.allocate(2 << 16);
            ByteBuffer patterns = all.asByteBuffer().order(ByteOrder.LITTLE_ENDIAN);
            for (int i = 0; i < 1 << 16; i++) {
                patterns.putShort(2 * i, (short) i);
            }
            float[] wide = new float[1 << 16];
            Elements.widen(type, all, 0, wide, 0, wide.length);
            MemorySegment back = arena.allocate(2 << 16);
            Elements.narrow(type, wide, 0, back, 0, wide.length);
            ByteBuffer result = back.asByteBuffer().order(ByteOrder.LITTLE_ENDIAN);
            for (int i = 0; i < 1 << 16; i++) {
                if (Float.isNaN(wide[i])) {
                    float nan = Elements.round(type, wide[i]);
                    assertThat(nan).as("pattern %04x", i).isNaN();
                } else {
                    assertThat(result.getShort(2 * i)).as("pattern %04x", i).isEqualTo((short) i);
                }
            }
        }
    }

    /** The oracle measures distances exactly: no neighbour may be nearer, a tie goes to even. */
    @ParameterizedTest(name = "seed {0}")
    @ValueSource(longs = {1, 2, 3})
    void bfloat16IsTheNearestAndEvenOnTies(long seed) {
        var random = new Random(seed);
        for (int i = 0; i < 20_000; i++) {
            int bits = random.nextInt();
            if (i % 4 == 0) {
                bits = bits & 0xffff0000 | 0x8000; // a tie
            }
            float value = Float.intBitsToFloat(bits);
            if (!Float.isFinite(value) || Math.abs(value) > 3.3e38f) {
                continue;
            }
            int rounded = Elements.floatToBfloat16(value) & 0xffff;
            BigDecimal error = distance(value, rounded);
            for (int neighbour : new int[] {rounded - 1, rounded + 1}) {
                if ((neighbour & 0x7fff) > 0x7f7f || ((neighbour ^ rounded) & 0x8000) != 0) {
                    continue;
                }
                int order = error.compareTo(distance(value, neighbour));
                assertThat(order).as("%a, seed %d", value, seed).isLessThanOrEqualTo(0);
                if (order == 0) {
                    assertThat(rounded & 1).as("tie %a, seed %d", value, seed).isZero();
                }
            }
        }
    }

    @Test
    void bfloat16OverflowsToInfinityAndKeepsNan() {
        assertThat(Elements.round(DType.BF16, Float.MAX_VALUE)).isInfinite();
        assertThat(Elements.round(DType.BF16, Float.intBitsToFloat(0x7fffffff))).isNaN();
        assertThat(Elements.round(DType.BF16, -0f)).isEqualTo(-0f);
    }

    /** Without a NaN among them, as is usual, and with one. */
    @ParameterizedTest
    @EnumSource(names = {"F16", "BF16", "F32", "F64"})
    void manyAreRoundedAsOne(DType type) {
        var random = new Random(4);
        float[] values = new float[10_000];
        for (int i = 0; i < values.length; i++) {
            float value = Float.intBitsToFloat(random.nextInt());
            values[i] = Float.isNaN(value) && i < 5_000 ? i : value;
        }
        values[17] = Float.MAX_VALUE;
        values[18] = -0f;
        for (int count : new int[] {0, 1, 5_000, values.length}) {
            float[] rounded = values.clone();
            Elements.round(type, rounded, count);
            for (int i = 0; i < values.length; i++) {
                float expected = i < count ? Elements.round(type, values[i]) : values[i];
                assertThat(rounded[i]).as("%a", values[i]).isEqualTo(Float.valueOf(expected));
            }
        }
    }

    /** What a narrower gives back, and what it stores, tile after tile. */
    @ParameterizedTest
    @EnumSource(names = {"F16", "BF16", "F32", "F64"})
    void narrowerRoundsAsElementsDo(DType type) {
        var random = new Random(5);
        var narrower = new Narrower(type, 100);
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment stored = arena.allocate(1_000L * type.bytes());
            MemorySegment expected = arena.allocate(1_000L * type.bytes());
            for (int first = 0; first < 1_000; first += 100) {
                float[] values = new float[100];
                int count = first == 900 ? 37 : 100;
                for (int i = 0; i < 100; i++) {
                    values[i] = (float) random.nextGaussian() * 100;
                }
                float[] rounded = values.clone();
                assertThat(narrower.round(rounded, count)).isTrue();
                narrower.store(rounded, count, stored, first);
                Elements.narrow(type, values, 0, expected, first, count);
                Elements.round(type, values, count);
                assertThat(rounded).isEqualTo(values);
            }
            assertThat(stored.mismatch(expected)).isEqualTo(-1);
        }
    }

    /** Infinite only once rounded, too; what is beyond the tile is not looked at. */
    @ParameterizedTest
    @EnumSource(names = {"F16", "BF16", "F32"})
    void narrowerLeavesWhatIsNotFinite(DType type) {
        for (float bad : new float[] {Float.NaN, Float.NEGATIVE_INFINITY, Float.MAX_VALUE}) {
            var narrower = new Narrower(type, 4);
            float[] values = {1.0001f, bad, 2, Float.NaN};
            float[] before = values.clone();
            boolean isStored = type == DType.F32 && bad == Float.MAX_VALUE;
            assertThat(narrower.round(values, 3)).isEqualTo(isStored);
            assertThat(values).isEqualTo(before);
        }
    }

    private static BigDecimal distance(float value, int bfloat16) {
        return new BigDecimal(value)
                .subtract(new BigDecimal(Float.intBitsToFloat(bfloat16 << 16)))
                .abs();
    }
}
