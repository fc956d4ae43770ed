package graft.convert.plan;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

import java.io.IOException;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import java.util.stream.IntStream;

class WorkersTest {
    @ParameterizedTest
    @ValueSource(ints = {1, 2, 7})
    void resultsComeInPlanOrder(int threads) throws IOException {
        List<Integer> items = IntStream.range(0, 200).boxed().toList();
        try (var workers = new Workers(threads)) {
            List<Integer> squares =
                    workers.map(
                            items,
                            item -> {
                                if (item % 10 == 0) {
                                    Thread.yield();
                                }
                                return item * item;
                            });
            assertThat(squares).isEqualTo(items.stream().map(i -> i * i).toList());
        }
    }

    @Test
    void failureWaitsForRunningItemsAndStartsNoMore() throws Exception {
        var otherRuns = new CountDownLatch(1);
        var failing = new AtomicReference<@Nullable Thread>();
        var ended = new AtomicInteger();
        var started = new AtomicInteger();
        List<Integer> items = IntStream.range(0, 100).boxed().toList();
        try (var workers = new Workers(2)) {
            assertThatThrownBy(() ->
                            workers.map(
                                    items,
                                    item -> {
                                        started.incrementAndGet();
                                        if (item == 0) {
                                            awaitQuietly(otherRuns);
                                            failing.set(Thread.currentThread());
                                            throw new IOException("item 0");
                                        }
                                        otherRuns.countDown();
                                        awaitIdle(failing);
                                        ended.incrementAndGet();
                                        return item;
                                    }))
                    .isInstanceOf(IOException.class)
                    .hasMessage("item 0");
            assertThat(started.get()).isEqualTo(2);
            assertThat(ended.get()).isEqualTo(1);
        }
    }

    /** Returns when the thread that failed has seen, and not started, all other items. */
    private static void awaitIdle(AtomicReference<@Nullable Thread> failing) {
        while (true) {
            Thread thread = failing.get();
            if (thread != null && thread.getState() == Thread.State.WAITING) {
                return;
            }
            Thread.onSpinWait();
        }
    }

    private static void awaitQuietly(CountDownLatch latch) {
        try {
            latch.await();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }
}
