package graft.convert.archive;

import graft.convert.plan.Workers;

import org.jspecify.annotations.Nullable;

import java.io.IOException;
import java.io.InterruptedIOException;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Supplier;

/**
 * Runs blocks on all workers and hands the results on in order, one at a time, on whichever worker
 * is free: what hashes and appends needs no thread of its own. A few slots hold the buffers of what
 * is being computed or waits for its turn, so memory does not grow with the number of blocks.
 *
 * @param <S> buffers of one block in flight
 */
final class OrderedBlocks<S extends AutoCloseable> implements AutoCloseable {
    /** Blocks that wait for a slower one before them, so that no worker idles. */
    private static final int WAITING = 2;

    /** Part of the work on a block. */
    @FunctionalInterface
    interface Step<S> {
        void run(int block, S slot) throws IOException;
    }

    private final Workers workers;
    private final List<S> slots = new ArrayList<>();
    private final Deque<S> free = new ArrayDeque<>();
    private final Map<Integer, S> ready = new HashMap<>();
    private int count;
    private int next;
    private int delivered;
    private boolean delivering;
    private boolean failed;

    OrderedBlocks(Workers workers, Supplier<S> slot) {
        this.workers = workers;
        for (int i = 0; i < workers.threads() + WAITING; i++) {
            slots.add(slot.get());
        }
    }

    /** Runs {@code compute} on every block in any order, then {@code deliver} on each in order. */
    void run(int blocks, Step<S> compute, Step<S> deliver) throws IOException {
        count = blocks;
        next = 0;
        delivered = 0;
        failed = false;
        ready.clear();
        free.clear();
        free.addAll(slots);
        List<Integer> lanes = new ArrayList<>();
        for (int i = 0; i < Math.min(workers.threads(), blocks); i++) {
            lanes.add(i);
        }
        workers.map(
                lanes,
                _ -> {
                    lane(compute, deliver);
                    return 0;
                });
    }

    /** A block that is taken has a slot, so the lowest one never waits for those after it. */
    private record Taken<S>(int block, S slot) {}

    private void lane(Step<S> compute, Step<S> deliver) throws IOException {
        try {
            for (Taken<S> taken = take(); taken != null; taken = take()) {
                compute.run(taken.block(), taken.slot());
                deliver(taken, deliver);
            }
        } catch (Throwable e) {
            synchronized (this) {
                failed = true;
                notifyAll();
            }
            throw e;
        }
    }

    private synchronized @Nullable Taken<S> take() throws IOException {
        while (!failed && next < count && free.isEmpty()) {
            try {
                wait();
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                throw new InterruptedIOException("interrupted");
            }
        }
        return failed || next == count ? null : new Taken<>(next++, free.pop());
    }

    private void deliver(Taken<S> taken, Step<S> deliver) throws IOException {
        synchronized (this) {
            ready.put(taken.block(), taken.slot());
            if (delivering) {
                return; // whoever delivers sees it
            }
            delivering = true;
        }
        try {
            while (true) {
                S slot;
                synchronized (this) {
                    slot = ready.remove(delivered);
                    if (slot == null) {
                        delivering = false;
                        return;
                    }
                }
                deliver.run(delivered, slot);
                synchronized (this) {
                    delivered++;
                    free.push(slot);
                    notifyAll();
                }
            }
        } catch (Throwable e) {
            synchronized (this) {
                delivering = false;
            }
            throw e;
        }
    }

    @Override
    public void close() {
        for (S slot : slots) {
            try {
                slot.close();
            } catch (Exception e) {
                throw new IllegalStateException(e); // slots only free memory
            }
        }
    }
}
