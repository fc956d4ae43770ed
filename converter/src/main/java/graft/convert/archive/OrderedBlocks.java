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
 * Runs blocks on all workers and hands the results on, through several steps, each in order and one
 * at a time, on whichever worker is free: what appends and hashes needs no thread of its own, and
 * one block is hashed while another is written. A few slots hold the buffers of what is being
 * computed or waits for its turn, so memory does not grow with the number of blocks.
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
    private final Supplier<S> newSlot;
    private final List<S> slots = new ArrayList<>();
    private final Deque<S> free = new ArrayDeque<>();
    private final Map<Integer, S> computed = new HashMap<>();
    private int count;
    private int next;
    private List<Stage<S>> stages = List.of();
    private boolean failed;

    /** A step that takes blocks in order, one at a time. */
    private static final class Stage<S> {
        final Step<S> step;
        int done;
        boolean busy;

        Stage(Step<S> step) {
            this.step = step;
        }
    }

    OrderedBlocks(Workers workers, Supplier<S> slot) {
        this.workers = workers;
        this.newSlot = slot;
    }

    /**
     * Runs {@code compute} on every block in any order, then each of {@code inOrder} on each block
     * in order.
     */
    void run(int blocks, Step<S> compute, List<Step<S>> inOrder) throws IOException {
        count = blocks;
        next = 0;
        failed = false;
        stages = inOrder.stream().map(Stage<S>::new).toList();
        computed.clear();
        free.clear();
        free.addAll(slots);
        List<Integer> lanes = new ArrayList<>();
        for (int i = 0; i < Math.min(workers.threads(), blocks); i++) {
            lanes.add(i);
        }
        workers.map(
                lanes,
                _ -> {
                    lane(compute);
                    return 0;
                });
    }

    /** A block that is taken has a slot, so the lowest one never waits for those after it. */
    private record Work<S>(int block, S slot, @Nullable Stage<S> stage) {}

    private void lane(Step<S> compute) throws IOException {
        try {
            for (Work<S> work = take(); work != null; work = take()) {
                if (work.stage() == null) {
                    compute.run(work.block(), work.slot());
                } else {
                    work.stage().step.run(work.block(), work.slot());
                }
                done(work);
            }
        } catch (Throwable e) {
            synchronized (this) {
                failed = true;
                notifyAll();
            }
            throw e;
        }
    }

    /** What frees a slot soonest; null if there is nothing left to do. */
    private synchronized @Nullable Work<S> take() throws IOException {
        while (!failed && stages.getLast().done < count) {
            for (int i = stages.size() - 1; i >= 0; i--) {
                Stage<S> stage = stages.get(i);
                S slot = computed.get(stage.done);
                boolean ready = i == 0 || stage.done < stages.get(i - 1).done;
                if (!stage.busy && ready && slot != null) {
                    stage.busy = true;
                    return new Work<>(stage.done, slot, stage);
                }
            }
            if (next < count && free.isEmpty() && slots.size() < workers.threads() + WAITING) {
                slots.add(newSlot.get());
                free.push(slots.getLast());
            }
            if (next < count && !free.isEmpty()) {
                return new Work<>(next++, free.pop(), null);
            }
            try {
                wait();
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                throw new InterruptedIOException("interrupted");
            }
        }
        return null;
    }

    private synchronized void done(Work<S> work) {
        Stage<S> stage = work.stage();
        if (stage == null) {
            computed.put(work.block(), work.slot());
        } else {
            stage.busy = false;
            stage.done++;
            if (stage == stages.getLast()) {
                computed.remove(work.block());
                free.push(work.slot());
            }
        }
        notifyAll();
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
