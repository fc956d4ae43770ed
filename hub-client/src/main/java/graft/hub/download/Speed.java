package graft.hub.download;

import java.io.IOException;
import java.time.Duration;

/**
 * Notices a connection that lives but hardly moves: a drip keeps every read timeout from firing.
 * For one thread.
 */
final class Speed {
    private static final long MIN_BYTES_PER_SECOND = 512;

    private final long windowNanos;
    private long since = System.nanoTime();
    private long bytes;

    /**
     * @param window time over which the speed is taken
     */
    Speed(Duration window) {
        this.windowNanos = window.toNanos();
    }

    /**
     * @throws IOException if the connection is better given up
     */
    void moved(long count) throws IOException {
        bytes += count;
        long passed = System.nanoTime() - since;
        if (passed >= windowNanos) {
            if (bytes < MIN_BYTES_PER_SECOND * (passed / 1_000_000_000.0)) {
                throw new IOException(
                        "only %d bytes in %d s".formatted(bytes, passed / 1_000_000_000));
            }
            since = System.nanoTime();
            bytes = 0;
        }
    }
}
