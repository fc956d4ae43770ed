package graft.convert.merge;

import graft.formats.io.Sha256;
import graft.formats.tensor.TensorSink;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.util.Optional;

/** Hashes one tensor on its way, while it is in the cache. Closes nothing; not thread-safe. */
final class HashedSink implements TensorSink {
    private final TensorSink out;
    private final long bytes;
    private final Sha256.Running digest = new Sha256.Running();
    private long next;

    /**
     * @param bytes of the whole tensor
     */
    HashedSink(TensorSink out, long bytes) {
        this.out = out;
        this.bytes = bytes;
    }

    @Override
    public void write(String tensor, long at, MemorySegment some) throws IOException {
        out.write(tensor, at, some);
        if (at == next) {
            digest.add(some);
            next += some.byteSize();
        } else {
            next = Long.MIN_VALUE; // never again in order
        }
    }

    /** Of all bytes; empty if they did not come in order. */
    Optional<String> hash() {
        return next == bytes ? Optional.of(digest.end()) : Optional.empty();
    }

    @Override
    public void close() {}
}
