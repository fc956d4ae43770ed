package graft.hub.download;

import java.io.InterruptedIOException;
import java.lang.foreign.Arena;
import java.nio.ByteBuffer;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.Semaphore;

/**
 * As many buffers as requests may run: whoever has one may ask the network. Outside the heap and
 * page-aligned, which is what moves fast between socket, buffer and file.
 */
final class Buffers {
    static final int BYTES = 1 << 20;
    private static final int PAGE = 4096;

    /**
     * For every worker that joins the first one of a file. Above as many as there are buffers they
     * would only wait, a thread each for every segment of every file.
     */
    final Semaphore joining;

    private final BlockingQueue<ByteBuffer> free;
    private int unmade;

    Buffers(int count) {
        this.joining = new Semaphore(count);
        this.free = new ArrayBlockingQueue<>(count);
        this.unmade = count;
    }

    /** Waits for a buffer; empty, at position 0. */
    ByteBuffer take() throws InterruptedIOException {
        try {
            ByteBuffer buffer = free.poll();
            return (buffer == null ? makeOrWait() : buffer).clear();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new InterruptedIOException("interrupted while waiting for a connection");
        }
    }

    private ByteBuffer makeOrWait() throws InterruptedException {
        synchronized (this) {
            if (unmade > 0) {
                unmade--;
                return Arena.ofAuto().allocate(BYTES, PAGE).asByteBuffer();
            }
        }
        return free.take();
    }

    void give(ByteBuffer buffer) {
        free.add(buffer);
    }
}
