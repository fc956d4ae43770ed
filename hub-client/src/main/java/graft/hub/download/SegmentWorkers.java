package graft.hub.download;

import graft.hub.http.Tasks;

import java.io.IOException;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.BooleanSupplier;

/**
 * Who fetches the segments of one file. One worker finds out whether ranges are served, then the
 * others join it one by one, each when the one before has got its share of a segment. So segments
 * end one after another: the hash need not wait for the first, nor has it all of them left at the
 * end. For one run; {@link #served} and {@link #gotShare} are safe from any thread.
 */
final class SegmentWorkers {
    /** A slow link must not keep the next worker waiting for longer. */
    private static final long JOIN_MILLIS = 100;

    /** Fetches one segment. */
    @FunctionalInterface
    interface Work {
        void run(int segment) throws IOException;
    }

    private final Tasks tasks;
    private final Semaphore joining;
    private final int segments;
    private final BooleanSupplier isOver;
    private final Work work;
    private final AtomicInteger next = new AtomicInteger();

    /** Open once a range was served, or nobody asks for one any more. */
    private final CountDownLatch ranges = new CountDownLatch(1);

    /** One for each segment of which a share is there. */
    private final Semaphore turns = new Semaphore(0);

    /**
     * @param tasks of this run, begun and not joined
     * @param joining permits for workers of all files but their first ones
     * @param isOver whether no further segment is to be fetched
     */
    SegmentWorkers(
            Tasks tasks, Semaphore joining, int segments, BooleanSupplier isOver, Work work) {
        this.tasks = tasks;
        this.joining = joining;
        this.segments = segments;
        this.isOver = isOver;
        this.work = work;
    }

    /** Ranges are served: others may join. */
    void served() {
        ranges.countDown();
    }

    /** A segment has so much of its bytes that the next worker may join. */
    void gotShare() {
        turns.release();
    }

    /**
     * Fetches all segments.
     *
     * @param most workers at the same time
     * @param beside what is done meanwhile
     * @throws IOException what the first of them failed with
     */
    void run(int most, Tasks.Task beside) throws IOException {
        tasks.fork(() -> {
            try {
                work();
            } finally {
                ranges.countDown();
            }
        });
        tasks.fork(beside);
        try {
            int workers = most;
            while (workers > 1 && isForMore()) {
                if (!ranges.await(JOIN_MILLIS, TimeUnit.MILLISECONDS)) {
                    continue;
                }
                turns.tryAcquire(JOIN_MILLIS, TimeUnit.MILLISECONDS);
                if (isForMore() && joining.tryAcquire(JOIN_MILLIS, TimeUnit.MILLISECONDS)) {
                    help();
                    workers--;
                }
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt(); // join hands it on
        }
        tasks.join();
    }

    private boolean isForMore() {
        return next.get() < segments && !isOver.getAsBoolean() && !tasks.haveFailed();
    }

    /** Starts one more worker, which gives its permit back. */
    private void help() {
        boolean started =
                tasks.fork(() -> {
                    try {
                        work();
                    } finally {
                        joining.release();
                    }
                });
        if (!started) {
            joining.release();
        }
    }

    private void work() throws IOException {
        for (int i = next.getAndIncrement();
                i < segments && !isOver.getAsBoolean();
                i = next.getAndIncrement()) {
            work.run(i);
        }
    }
}
