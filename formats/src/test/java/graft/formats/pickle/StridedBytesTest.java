package graft.formats.pickle;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

import java.lang.foreign.MemorySegment;
import java.nio.ByteOrder;
import java.util.Random;

class StridedBytesTest {
    /** The oracle counts through all indices and moves single bytes. */
    @ParameterizedTest(name = "seed {0}")
    @ValueSource(longs = {1, 2, 3, 4, 5, 6, 7, 8})
    void gatheringAgreesWithIndexArithmetic(long seed) {
        var random = new Random(seed);
        for (int round = 0; round < 200; round++) {
            int word = 1 << random.nextInt(4);
            long[] extents = new long[1 + random.nextInt(4)];
            long[] strides = new long[extents.length];
            long first = random.nextInt(5);
            long last = first;
            int count = 1;
            for (int axis = 0; axis < extents.length; axis++) {
                extents[axis] = 1 + random.nextInt(5);
                strides[axis] = random.nextInt(8);
                last += (extents[axis] - 1) * strides[axis];
                count *= (int) extents[axis];
            }
            byte[] storage = new byte[(int) (last + 1) * word];
            random.nextBytes(storage);
            boolean swap = random.nextBoolean();
            byte[] actual = new byte[count * word];
            StridedBytes.gather(
                    MemorySegment.ofArray(storage),
                    swap ? ByteOrder.BIG_ENDIAN : ByteOrder.LITTLE_ENDIAN,
                    word,
                    first,
                    extents,
                    strides,
                    MemorySegment.ofArray(actual));
            byte[] expected = new byte[count * word];
            for (int i = 0; i < count; i++) {
                long from = first;
                int rest = i;
                for (int axis = extents.length - 1; axis >= 0; axis--) {
                    from += rest % extents[axis] * strides[axis];
                    rest /= (int) extents[axis];
                }
                for (int b = 0; b < word; b++) {
                    expected[i * word + b] = storage[(int) from * word + (swap ? word - 1 - b : b)];
                }
            }
            assertThat(actual).as("round %d", round).isEqualTo(expected);
        }
    }
}
