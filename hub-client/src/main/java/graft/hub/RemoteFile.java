package graft.hub;

import java.io.IOException;
import java.nio.ByteBuffer;

/**
 * Ranged reads of one file of a snapshot, without downloading it: headers first, or a few tensors
 * of a large file.
 *
 * <p>A range cannot be checked against the file's hash. That the Hub means the same content, by
 * commit, ETag and size, is checked before the first read. A file that is in the cache is read
 * there. Safe from any thread.
 */
public interface RemoteFile {
    /** What is read. */
    HubFile file();

    /**
     * Fills {@code target} with the bytes from {@code offset} on.
     *
     * @throws IllegalArgumentException if the range is not inside the file
     * @throws HubException if the Hub does not deliver
     */
    void read(long offset, ByteBuffer target) throws IOException;

    /** Bytes that came over the network so far. */
    long bytesRead();
}
