package graft.formats.delta;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/** Reads what {@link RangeEncoder} wrote. Past the end it reads zeros. Not thread-safe. */
final class RangeDecoder {
    private final MemorySegment bytes;
    private long at;
    private long range = 0xffffffffL;
    private long code;

    RangeDecoder(MemorySegment bytes) {
        this.bytes = bytes;
        for (int i = 0; i < 4; i++) {
            code = code << 8 | next();
        }
    }

    private int next() {
        int value = at < bytes.byteSize() ? bytes.get(ValueLayout.JAVA_BYTE, at) & 0xff : 0;
        at++;
        return value;
    }

    /**
     * @param zero probability of a 0 in 1/65536, from 1 to 65535
     */
    int decode(int zero) {
        long bound = (range >>> 16) * zero;
        int bit = 0;
        if (code < bound) {
            range = bound;
        } else {
            code -= bound;
            range -= bound;
            bit = 1;
        }
        while (range < 1 << 24) {
            range = range << 8 & 0xffffffffL;
            code = (code << 8 | next()) & 0xffffffffL;
        }
        return bit;
    }

    /** Bytes that no decoded bit depends on; none in what an encoder wrote. */
    long left() {
        return Math.max(0, bytes.byteSize() - at);
    }
}
