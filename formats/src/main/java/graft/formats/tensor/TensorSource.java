package graft.formats.tensor;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.Optional;

/**
 * Tensors to read: a file, or a sharded checkpoint as if it were one file.
 *
 * <p>Safe from any thread until {@link #close}; views handed out die with it, using one afterwards
 * throws {@link IllegalStateException}.
 */
public interface TensorSource extends AutoCloseable {
    /** What errors call this source: the path it was opened from. */
    String name();

    /** All tensors, in the order of their bytes. */
    List<TensorInfo> tensors();

    /** The tensor called {@code name}. */
    Optional<TensorInfo> find(String name);

    /**
     * The tensor's bytes: a read-only view, nothing is copied.
     *
     * @throws java.util.NoSuchElementException if there is no such tensor
     */
    MemorySegment bytes(String name);

    @Override
    void close() throws IOException;
}
