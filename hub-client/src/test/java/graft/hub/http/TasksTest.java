package graft.hub.http;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

import java.io.IOException;
import java.io.InterruptedIOException;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.IntStream;

/** Threads that belong together. */
@Timeout(30)
class TasksTest {
    private final Calls calls = new Calls();
    private final Tasks tasks = new Tasks(calls);

    @Test
    void theFirstFailureEndsTheOthersAndIsTold() {
        tasks.fork(() -> sleep());
        tasks.fork(() -> {
            throw new IOException("first");
        });
        assertThatThrownBy(tasks::join).isInstanceOf(IOException.class).hasMessage("first");
        assertThat(tasks.haveFailed()).isTrue();
        assertThat(tasks.fork(() -> {})).isFalse();
    }

    @Test
    void everyItemIsDoneByNoMoreThreadsThanAskedFor() throws IOException {
        List<Integer> items = IntStream.range(0, 100).boxed().toList();
        var sum = new AtomicInteger();
        var running = new AtomicInteger();
        var tooMany = new AtomicBoolean();
        tasks.forkEach(
                items,
                3,
                item -> {
                    if (running.incrementAndGet() > 3) {
                        tooMany.set(true);
                    }
                    sum.addAndGet(item);
                    running.decrementAndGet();
                });
        tasks.join();
        assertThat(sum).hasValue(4950);
        assertThat(tooMany).isFalse();
    }

    /** Also where they neither read nor write, such as between two tries. */
    @Test
    void closingEndsWhatWaits() throws Exception {
        var sleeping = new CountDownLatch(1);
        tasks.fork(() -> {
            sleeping.countDown();
            sleep();
        });
        sleeping.await();
        calls.close();
        assertThatThrownBy(tasks::join)
                .isInstanceOf(InterruptedIOException.class)
                .hasMessage("the client was closed");
        var late = new Tasks(calls);
        assertThat(late.fork(() -> {})).isFalse();
        assertThatThrownBy(late::join).hasMessage("the client was closed");
    }

    private static void sleep() throws IOException {
        try {
            Thread.sleep(600_000);
        } catch (InterruptedException e) {
            throw new IOException("second", e);
        }
    }
}
