package graft.hub.download;

import org.jspecify.annotations.Nullable;

import java.io.IOException;
import java.io.InterruptedIOException;
import java.util.ArrayList;
import java.util.List;

/**
 * Virtual threads that belong together: the first failure interrupts the rest, and nobody leaves
 * before all have ended. A running task may fork more.
 */
public final class Tasks {
    /** What a task does. */
    @FunctionalInterface
    public interface Task {
        void run() throws IOException;
    }

    private final List<Thread> threads = new ArrayList<>();
    private @Nullable Throwable failure;

    /** Starts a task; does nothing if another one has failed already. */
    public synchronized void fork(Task task) {
        if (failure == null) {
            threads.add(Thread.ofVirtual().start(() -> run(task)));
        }
    }

    private void run(Task task) {
        try {
            task.run();
        } catch (Throwable e) {
            fail(e);
        }
    }

    private synchronized void fail(Throwable e) {
        if (failure == null) {
            failure = e;
            threads.forEach(Thread::interrupt);
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
        rethrow();
    }

    /** Runs one task on a virtual thread, where interruption also ends a read from the network. */
    public static void run1(Task task) throws IOException {
        var tasks = new Tasks();
        tasks.fork(task);
        tasks.join();
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

    private boolean interrupted;

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
