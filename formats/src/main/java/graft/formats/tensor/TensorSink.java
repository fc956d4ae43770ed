package graft.formats.tensor;

import java.io.IOException;
import java.lang.foreign.MemorySegment;

/**
 * Where the bytes of planned tensors go, in any order, from any thread.
 *
 * <p>Each byte of each planned tensor is written exactly once; {@link #close} does not check that.
 */
public interface TensorSink extends AutoCloseable {
    /**
     * Writes {@code bytes} into {@code tensor}, from byte {@code at} of it.
     *
     * @throws java.util.NoSuchElementException if no such tensor was planned
     * @throws IndexOutOfBoundsException if the bytes would run past the tensor's end
     */
    void write(String tensor, long at, MemorySegment bytes) throws IOException;

    @Override
    void close() throws IOException;
}
