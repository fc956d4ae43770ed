package graft.convert.archive;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import graft.convert.plan.Workers;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.atomic.AtomicInteger;

@Timeout(30)
class OrderedBlocksTest {
    private static final class Slot implements AutoCloseable {
        int block;
        int steps;
        boolean closed;

        @Override
        public void close() {
            closed = true;
        }
    }

    @ParameterizedTest(name = "{0} threads, {1} blocks")
    @CsvSource({"1,0", "1,1", "1,9", "2,1", "2,50", "5,3", "5,200"})
    void everyStepTakesEveryBlockInOrder(int threads, int blocks) throws IOException {
        List<Slot> slots = new ArrayList<>();
        List<Integer> first = new ArrayList<>(); // unsynchronised: a step runs once at a time
        List<Integer> second = new ArrayList<>();
        try (var workers = new Workers(threads);
                var ordered =
                        new OrderedBlocks<>(
                                workers,
                                () -> {
                                    slots.add(new Slot());
                                    return slots.getLast();
                                })) {
            for (int run = 0; run < 2; run++) {
                ordered.run(
                        blocks,
                        (block, slot) -> {
                            slot.block = block;
                            slot.steps = 0;
                            pause(block);
                        },
                        List.of(
                                (block, slot) -> {
                                    assertThat(slot.block).isEqualTo(block);
                                    assertThat(slot.steps++).isZero();
                                    first.add(block);
                                    pause(block + 1);
                                },
                                (block, slot) -> {
                                    assertThat(slot.block).isEqualTo(block);
                                    assertThat(slot.steps++).isOne();
                                    second.add(block);
                                    pause(block + 2);
                                }));
            }
        }
        List<Integer> all = new ArrayList<>();
        for (int i = 0; i < 2 * blocks; i++) {
            all.add(i % Math.max(1, blocks));
        }
        assertThat(first).isEqualTo(all);
        assertThat(second).isEqualTo(all);
        assertThat(slots).hasSizeLessThanOrEqualTo(threads + 2).allMatch(slot -> slot.closed);
    }

    @ParameterizedTest(name = "{0} threads, step {1}")
    @CsvSource({"1,0", "1,1", "1,2", "3,0", "3,1", "3,2"})
    void aFailureEndsTheRun(int threads, int failing) {
        try (var workers = new Workers(threads);
                var ordered = new OrderedBlocks<>(workers, Slot::new)) {
            assertThatThrownBy(() ->
                            ordered.run(
                                    100,
                                    (block, _) -> fail(block, failing == 0),
                                    List.of(
                                            (block, _) -> fail(block, failing == 1),
                                            (block, _) -> fail(block, failing == 2))))
                    .isInstanceOf(IOException.class)
                    .hasMessage("block 20");
        }
    }

    private static void fail(int block, boolean here) throws IOException {
        if (here && block == 20) {
            throw new IOException("block 20");
        }
    }

    /** While one block is hashed, another is written. */
    @Test
    void stepsOfDifferentBlocksRunAtOnce() throws IOException {
        var inFirst = new AtomicInteger(-1);
        var inSecond = new AtomicInteger(-1);
        try (var workers = new Workers(2);
                var ordered = new OrderedBlocks<>(workers, Slot::new)) {
            ordered.run(
                    2,
                    (_, _) -> {},
                    List.of(
                            (block, _) -> {
                                inFirst.set(block);
                                while (block == 1 && inSecond.get() != 0) {
                                    Thread.onSpinWait();
                                }
                            },
                            (block, _) -> {
                                inSecond.set(block);
                                while (block == 0 && inFirst.get() != 1) {
                                    Thread.onSpinWait();
                                }
                            }));
        }
        assertThat(inSecond).hasValue(1);
    }

    private static void pause(int seed) {
        long end = System.nanoTime() + new Random(seed).nextInt(200_000);
        while (System.nanoTime() < end) {
            Thread.onSpinWait();
        }
    }
}
