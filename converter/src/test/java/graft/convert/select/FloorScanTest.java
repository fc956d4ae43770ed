package graft.convert.select;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.stream.IntStream;

/** Beside a loop that looks at one element after the other. */
class FloorScanTest {
    private static final float[] SPECIAL = {
        0f, -0f, Float.MIN_VALUE, Float.NaN, Float.POSITIVE_INFINITY, Float.MAX_VALUE, 1f, -1f
    };

    @Test
    void findsWhatALoopFinds() {
        var random = new Random(20261125);
        var scan = new FloorScan(); // one for all: nothing of a longer part may show in a shorter
        int[] counts =
                IntStream.concat(
                                IntStream.of(FloorScan.PART, FloorScan.PART - 1),
                                IntStream.rangeClosed(0, 17))
                        .toArray();
        for (int count : counts) {
            for (float floor : new float[] {Float.MIN_VALUE, 0.5f, 1f, Float.MAX_VALUE}) {
                for (double share : new double[] {0, 0.01, 0.5, 1}) {
                    check(random, scan, count, Float.floatToRawIntBits(floor), share);
                }
            }
        }
    }

    private static void check(Random random, FloorScan scan, int count, int floor, double share) {
        float[] base = new float[FloorScan.PART];
        float[] model = new float[FloorScan.PART];
        for (int i = 0; i < FloorScan.PART; i++) { // beyond the count, too
            base[i] = (float) random.nextGaussian();
            model[i] =
                    random.nextDouble() >= share
                            ? base[i]
                            : random.nextBoolean()
                                    ? base[i] + (float) random.nextGaussian()
                                    : SPECIAL[random.nextInt(SPECIAL.length)];
        }
        List<Integer> expected = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            int magnitude = Float.floatToRawIntBits(model[i] - base[i]) & Integer.MAX_VALUE;
            if (magnitude >= floor) {
                expected.add(i);
            }
        }
        int some = scan.scan(base, model, count, floor);
        List<Integer> found = IntStream.range(0, some).map(scan::found).boxed().toList();
        assertThat(found).as("%d elements, floor %x", count, floor).isEqualTo(expected);
        for (int i : found) {
            assertThat(scan.magnitude(i))
                    .isEqualTo(Float.floatToRawIntBits(model[i] - base[i]) & Integer.MAX_VALUE);
        }
    }
}
