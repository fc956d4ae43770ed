package graft.hub.http;

import org.jspecify.annotations.Nullable;

import java.io.IOException;
import java.io.InterruptedIOException;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.concurrent.ConcurrentLinkedQueue;

/**
 * Threads that belong together: the first failure interrupts the rest, also where they read from
 * the network, and nobody leaves before all have ended. A running task may fork more.
 *
 * <p>Platform threads: as many virtual ones as there are processors let the others starve while
 * data keeps coming or a hash is computed, and the JVM's poller of their sockets, once there, holds
 * up the end of the process for 0.3 s.
 */
public final class Tasks {
    /** What a task does. */
    @FunctionalInterface
    public interface Task {
        void run() throws IOException;
    }

    /** The same for each of several items. */
    @FunctionalInterface
    public interface ItemTask<T> {
        void run(T item) throws IOException;
    }

    private final Calls calls;
    private final List<Thread> threads = new ArrayList<>();
    private @Nullable Throwable failure;
    private boolean interrupted; // of the thread that joins, and for it alone

    Tasks(Calls calls) {
        this.calls = calls;
        calls.begin(this);
    }

    /**
     * Starts a task, unless another one has failed already.
     *
     * @return whether it was started
     */
    public synchronized boolean fork(Task task) {
        if (failure == null) {
            try {
                threads.add(Thread.ofPlatform().daemon().name("hub").start(() -> attempt(task)));
                return true;
            } catch (OutOfMemoryError e) { // no thread to be had: those that run must end first
                fail(e);
            }
        }
        return false;
    }

    /** Whether one has failed: nothing more is started. */
    public synchronized boolean haveFailed() {
        return failure != null;
    }

    private void attempt(Task task) {
        try {
            task.run();
        } catch (Throwable e) {
            fail(e);
        }
    }

    synchronized void fail(Throwable e) {
        if (failure == null) {
            failure = e;
            threads.forEach(calls::interrupt);
        }
    }

    /**
     * Waits for all tasks, also for those that start meanwhile.
     *
     * @throws IOException what the first one failed with
     * @throws InterruptedIOException if this thread is interrupted: the tasks are, too
     */
    public void join() throws IOException {
        for (int i = 0; ; i++) {
            Thread next = thread(i);
            if (next == null) {
                break;
            }
            await(next);
        }
        calls.end(this);
        rethrow();
    }

    /** Runs one task and waits for it: interrupting this thread ends it within a read, too. */
    public void run(Task task) throws IOException {
        fork(task);
        join();
    }

    /** Starts a task for every item, at most {@code workers} at the same time. */
    public <T> void forkEach(Collection<T> items, int workers, ItemTask<T> task) {
        var waiting = new ConcurrentLinkedQueue<T>(items);
        for (int i = 0; i < Math.min(workers, items.size()); i++) {
            fork(() -> {
                for (T item = waiting.poll(); item != null; item = waiting.poll()) {
                    task.run(item);
                }
            });
        }
    }

    private synchronized @Nullable Thread thread(int i) {
        return i < threads.size() ? threads.get(i) : null;
    }

    private void await(Thread thread) {
        while (true) {
            try {
                thread.join();
                return;
            } catch (InterruptedException e) {
                fail(new InterruptedIOException("interrupted"));
                interrupted = true;
            }
        }
    }

    private synchronized void rethrow() throws IOException {
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
        switch (failure) {
            case null -> {}
            case IOException e -> throw e;
            case RuntimeException e -> throw e;
            case Error e -> throw e;
            default -> throw new IllegalStateException(failure);
        }
    }
}
