package graft.convert.linalg;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayDeque;
import java.util.Deque;

/**
 * Native memory for large float32 matrices, one after the other: fresh memory would be zeroed and
 * faulted in page by page each time, which costs more than filling it. Safe from any thread;
 * matrices die with {@link #close}.
 */
public final class FloatPool implements AutoCloseable {
    private static final long ALIGNMENT = 4096;

    private final Arena arena;
    private final long bytes;
    private final Deque<MemorySegment> free = new ArrayDeque<>();

    /**
     * @param elements most that a matrix has
     */
    @SuppressWarnings("MustBeClosedChecker") // closed with this
    public FloatPool(long elements) {
        this.arena = Arena.ofShared();
        this.bytes = 4 * Math.max(1, elements);
    }

    /** Memory for one matrix at a time; give it back by {@link Loan#close}. */
    public Loan take() {
        synchronized (free) {
            MemorySegment segment = free.poll();
            return new Loan(segment == null ? arena.allocate(bytes, ALIGNMENT) : segment);
        }
    }

    /** Memory that is in use. */
    public final class Loan implements AutoCloseable {
        private final MemorySegment memory;

        private Loan(MemorySegment memory) {
            this.memory = memory;
        }

        /**
         * It as a matrix, whose elements are whatever they were.
         *
         * @throws IndexOutOfBoundsException if it is too small for that
         */
        public FloatMatrix matrix(int rows, int columns) {
            return FloatMatrix.over(rows, columns, memory);
        }

        @Override
        public void close() {
            synchronized (free) {
                free.push(memory);
            }
        }
    }

    @Override
    public void close() {
        arena.close();
    }
}
