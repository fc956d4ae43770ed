package graft.hub.testing;

import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.zip.CRC32;
import java.util.zip.Deflater;

/**
 * A gzip stream (RFC 1952) of so many zeros, made as it is read. One megabyte is deflated once and
 * repeated, so that the sender does not work as hard as a careless receiver.
 */
final class GzippedZeros extends InputStream {
    private static final byte[] ZEROS = new byte[1 << 20];
    private static final byte[] HEADER = {0x1f, (byte) 0x8b, 8, 0, 0, 0, 0, 0, 0, (byte) 255};

    private final Deflater deflater = new Deflater(Deflater.DEFAULT_COMPRESSION, true);
    private final CRC32 crc = new CRC32();
    private final long zeros;
    private final byte[] first;
    private final byte[] repeated;
    private long left;
    private byte[] ready = HEADER;
    private int at;

    GzippedZeros(long zeros) {
        this.zeros = zeros;
        left = zeros;
        first = deflate(ZEROS.length, Deflater.SYNC_FLUSH);
        repeated = deflate(ZEROS.length, Deflater.SYNC_FLUSH);
    }

    private byte[] deflate(int n, int flush) {
        deflater.setInput(ZEROS, 0, n);
        byte[] out = new byte[1 << 14];
        int length = deflater.deflate(out, 0, out.length, flush);
        return java.util.Arrays.copyOf(out, length);
    }

    @Override
    public int read() {
        byte[] one = new byte[1];
        return read(one, 0, 1) < 0 ? -1 : one[0] & 0xff;
    }

    @Override
    public int read(byte[] buffer, int from, int length) {
        if (at == ready.length) {
            if (left < 0) {
                return -1;
            }
            ready = next();
            at = 0;
        }
        int n = Math.min(length, ready.length - at);
        System.arraycopy(ready, at, buffer, from, n);
        at += n;
        return n;
    }

    private byte[] next() {
        boolean start = left == zeros;
        if (left >= ZEROS.length) {
            left -= ZEROS.length;
            crc.update(ZEROS);
            return start ? first : repeated;
        }
        crc.update(ZEROS, 0, (int) left);
        deflater.finish();
        byte[] last = deflate((int) left, Deflater.NO_FLUSH);
        left = -1;
        deflater.end();
        return ByteBuffer.allocate(last.length + 8)
                .order(ByteOrder.LITTLE_ENDIAN)
                .put(last)
                .putInt((int) crc.getValue())
                .putInt((int) zeros)
                .array();
    }
}
