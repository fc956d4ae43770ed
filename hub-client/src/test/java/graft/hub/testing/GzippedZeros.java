package graft.hub.testing;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.util.zip.GZIPOutputStream;

/** A gzip stream of so many zeros, made as it is read. */
final class GzippedZeros extends InputStream {
    private static final byte[] ZEROS = new byte[1 << 20];

    private final ByteArrayOutputStream made = new ByteArrayOutputStream();
    private final GZIPOutputStream gzip;
    private byte[] ready = new byte[0];
    private int at;
    private long left;

    GzippedZeros(long zeros) throws IOException {
        left = zeros;
        gzip = new GZIPOutputStream(made);
    }

    @Override
    public int read() throws IOException {
        byte[] one = new byte[1];
        return read(one, 0, 1) < 0 ? -1 : one[0] & 0xff;
    }

    @Override
    public int read(byte[] buffer, int from, int length) throws IOException {
        while (at == ready.length) {
            if (left < 0) {
                return -1;
            }
            make();
        }
        int n = Math.min(length, ready.length - at);
        System.arraycopy(ready, at, buffer, from, n);
        at += n;
        return n;
    }

    private void make() throws IOException {
        int n = (int) Math.min(ZEROS.length, left);
        gzip.write(ZEROS, 0, n);
        left -= n;
        if (left == 0) {
            gzip.finish();
            left = -1;
        }
        ready = made.toByteArray();
        made.reset();
        at = 0;
    }
}
