package graft.hub.download;

import graft.hub.HubFile;
import graft.hub.RemoteFile;
import graft.hub.http.Answer;
import graft.hub.http.Ask;
import graft.hub.http.Failures;
import graft.hub.http.Retries;
import graft.hub.http.Wire;

import okhttp3.HttpUrl;

import okio.BufferedSource;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.concurrent.atomic.AtomicLong;

/** A file at the Hub, read by ranges. */
final class RangedFile implements RemoteFile {
    private final Wire wire;
    private final Origin origin;
    private final HubFile file;
    private final AtomicLong bytesRead = new AtomicLong();

    RangedFile(Wire wire, Origin origin, HubFile file) {
        this.wire = wire;
        this.origin = origin;
        this.file = file;
    }

    @Override
    public HubFile file() {
        return file;
    }

    @Override
    public long bytesRead() {
        return bytesRead.get();
    }

    @Override
    public void read(long offset, ByteBuffer target) throws IOException {
        checkRange(file, offset, target.remaining());
        if (!target.hasRemaining()) {
            return;
        }
        wire.tasks().run(() -> fetch(offset, target));
    }

    static void checkRange(HubFile file, long offset, int length) {
        if (offset < 0 || offset > file.bytes() - length) {
            throw new IllegalArgumentException(
                    "%s: bytes %d to %d of %d"
                            .formatted(file.path(), offset, offset + length, file.bytes()));
        }
    }

    private void fetch(long offset, ByteBuffer target) throws IOException {
        Retries retries = wire.retries(origin.what());
        int start = target.position();
        int renewals = 0;
        while (target.hasRemaining()) {
            long first = offset + target.position() - start;
            HttpUrl place = origin.place();
            String range = "bytes=%d-%d".formatted(first, first + target.remaining() - 1);
            try (Answer answer =
                    wire.once(Ask.content(origin.what(), place).with("Range", range))) {
                if (origin.mayHaveExpired(answer, place) && renewals++ < Origin.MAX_RENEWALS) {
                    origin.renew(place);
                } else if (Retries.isTransient(answer.status())) {
                    retries.after(answer);
                } else {
                    accept(answer, first, target, retries);
                }
            } catch (IOException e) {
                retries.after(e);
            }
        }
    }

    private void accept(Answer answer, long first, ByteBuffer target, Retries retries)
            throws IOException {
        if (answer.status() != 206 && answer.status() != 200) {
            throw Failures.of(answer);
        }
        origin.check(answer);
        BufferedSource body = answer.body();
        if (answer.status() == 200) { // the whole file: worth it for a header alone
            body.skip(first);
        } else {
            long from =
                    answer.header("Content-Range")
                            .flatMap(ContentRange::parse)
                            .filter(range -> range.total() == file.bytes())
                            .map(ContentRange::first)
                            .orElse(-1L);
            if (from != first) {
                throw origin.corrupted("the server sent another range than was asked for");
            }
        }
        while (target.hasRemaining()) {
            int count = body.read(target);
            if (count < 0) {
                return; // fewer than asked: ask for the rest
            }
            bytesRead.addAndGet(count);
            retries.progressed();
        }
    }
}
