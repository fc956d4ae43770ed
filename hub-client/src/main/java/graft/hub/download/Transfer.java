package graft.hub.download;

import graft.hub.HubEvent;
import graft.hub.HubException;
import graft.hub.HubFile;
import graft.hub.HubListener;
import graft.hub.HubOptions;
import graft.hub.cache.BlobHash;
import graft.hub.cache.Partial;
import graft.hub.http.Answer;
import graft.hub.http.Ask;
import graft.hub.http.Failures;
import graft.hub.http.Retries;
import graft.hub.http.Wire;

import okhttp3.HttpUrl;

import okio.BufferedSource;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.FileSystemException;
import java.util.Optional;
import java.util.concurrent.locks.ReentrantLock;

/**
 * Fills one partial: ranges in parallel where the server serves ranges, from the start where it
 * does not. The hash follows behind the bytes that are there without a gap.
 */
final class Transfer {
    private final Wire wire;
    private final HubOptions options;
    private final HubListener listener;
    private final Buffers buffers;
    private final Origin origin;
    private final HubFile file;
    private final Partial partial;
    private final ReentrantLock hashing = new ReentrantLock();
    private BlobHash hash;
    private volatile boolean rangesIgnored;

    /** Of this run; empty where one fetches all. */
    private volatile Optional<SegmentWorkers> workers = Optional.empty();

    /** What an earlier run left without a gap; while that is hashed, nobody waits for the hash. */
    private volatile long found;

    /** How far a body from the start has come; only what is beyond it is progress. */
    private long furthest;

    Transfer(
            Wire wire,
            HubOptions options,
            HubListener listener,
            Buffers buffers,
            Origin origin,
            HubFile file,
            Partial partial) {
        this.wire = wire;
        this.options = options;
        this.listener = listener;
        this.buffers = buffers;
        this.origin = origin;
        this.file = file;
        this.partial = partial;
        this.hash = newHash();
    }

    private BlobHash newHash() {
        return file.etag()
                .map(etag -> BlobHash.like(etag, file.bytes()))
                .orElseGet(BlobHash::sha256);
    }

    /** Fetches what is missing; the hash of the whole, in the kind of the file's ETag. */
    String run() throws IOException {
        if (file.bytes() > 0 && partial.present() < file.bytes()) {
            if (partial.segments() == 1) {
                segment(0);
            } else {
                inParallel();
            }
            if (rangesIgnored) {
                fromTheStart();
            }
        }
        hash.upTo(partial.channel(), file.bytes());
        return hash.hex();
    }

    /** Begins anew, with nothing of an earlier run. */
    void restart(String reason) throws IOException {
        listener.on(new HubEvent.Restarted(file.path(), partial.present(), reason));
        partial.restart();
        hash = newHash();
    }

    private void inParallel() throws IOException {
        found = partial.contiguous();
        var all =
                new SegmentWorkers(
                        wire.tasks(),
                        buffers.joining,
                        partial.segments(),
                        () -> rangesIgnored,
                        this::segmentAndHash);
        workers = Optional.of(all);
        all.run(
                Math.min(options.maxWorkers(), partial.segments()),
                this::hashBehind); // what an earlier run left
    }

    private void segmentAndHash(int segment) throws IOException {
        if (partial.done(segment) < partial.segmentLength(segment)) {
            segment(segment);
            hashBehind();
        }
    }

    private void segment(int segment) throws IOException {
        Retries retries = wire.retries(origin.what());
        int renewals = 0;
        while (partial.done(segment) < partial.segmentLength(segment) && !rangesIgnored) {
            long before = partial.done(segment);
            int taken =
                    attempt(
                            (place, buffer) -> ranged(place, segment, buffer, retries),
                            renewals,
                            retries);
            renewals = partial.done(segment) > before ? 0 : renewals + taken;
        }
    }

    /** One request; the answer, still open, if it brought no bytes. */
    @FunctionalInterface
    private interface Attempt {
        Optional<Answer> at(HttpUrl place, ByteBuffer buffer) throws IOException;
    }

    /** Tries once; if that failed, waits, renews the address, or gives up. The renewals it took. */
    private int attempt(Attempt attempt, int renewals, Retries retries) throws IOException {
        HttpUrl place = origin.place();
        ByteBuffer buffer = buffers.take();
        Optional<Answer> refused = Optional.empty();
        IOException failure = null;
        try {
            refused = attempt.at(place, buffer);
        } catch (IOException e) {
            failure = e;
        } finally {
            buffers.give(buffer); // nobody waits or renews with a buffer in hand
        }
        if (failure != null) {
            retries.after(failure);
        }
        return refused.isPresent() ? refused(refused.get(), place, renewals, retries) : 0;
    }

    private Optional<Answer> ranged(HttpUrl place, int segment, ByteBuffer buffer, Retries retries)
            throws IOException {
        Answer answer = wire.once(request(place, segment));
        if (answer.status() != 206 && answer.status() != 200) {
            return Optional.of(answer);
        }
        try (answer) {
            accept(answer, segment, buffer, retries);
        }
        return Optional.empty();
    }

    private Ask request(HttpUrl place, int segment) {
        long first = partial.segmentStart(segment) + partial.done(segment);
        Ask ask = Ask.content(origin.what(), place);
        if (partial.segments() == 1 && first == 0) {
            return ask; // the whole file
        }
        long last = partial.segmentStart(segment) + partial.segmentLength(segment) - 1;
        return ask.with("Range", "bytes=%d-%d".formatted(first, last));
    }

    /** Renews the address, or waits, or gives up; returns how many renewals that took. */
    private int refused(Answer answer, HttpUrl place, int renewals, Retries retries)
            throws IOException {
        if (origin.mayHaveExpired(answer, place) && renewals < Origin.MAX_RENEWALS) {
            answer.close();
            origin.renew(place);
            return 1;
        }
        if (Retries.isTransient(answer.status())) {
            retries.after(answer);
            return 0;
        }
        if (answer.status() == 416) {
            answer.close();
            throw origin.corrupted("the server has fewer bytes than the list of files says");
        }
        throw Failures.of(answer);
    }

    private void accept(Answer answer, int segment, ByteBuffer buffer, Retries retries)
            throws IOException {
        origin.check(answer);
        long first = partial.segmentStart(segment) + partial.done(segment);
        if (answer.status() == 200) {
            if (first > 0 || partial.segments() > 1) {
                rangesIgnored = true;
                return;
            }
            checkLength(answer);
            drain(answer.body(), segment, file.bytes(), buffer, retries);
            return;
        }
        ContentRange range =
                answer.header("Content-Range")
                        .flatMap(ContentRange::parse)
                        .orElseThrow(() -> origin.corrupted("the server sent no Content-Range"));
        if (range.first() != first || range.total() != file.bytes() || range.last() < first) {
            throw origin.corrupted("the server sent another range than was asked for");
        }
        workers.ifPresent(SegmentWorkers::served);
        long left = partial.segmentLength(segment) - partial.done(segment);
        drain(answer.body(), segment, Math.min(left, range.last() - first + 1), buffer, retries);
    }

    private void checkLength(Answer answer) throws HubException {
        long length = answer.contentLength().orElse(file.bytes());
        if (length != file.bytes()) {
            throw origin.corrupted(
                    "the server sends %d bytes, the list of files says %d"
                            .formatted(length, file.bytes()));
        }
    }

    /** Bytes of the body to their places; what arrived before a failure is kept. */
    private void drain(
            BufferedSource body, int segment, long wanted, ByteBuffer buffer, Retries retries)
            throws IOException {
        var speed = new Speed(options.downloadTimeout().multipliedBy(3));
        long left = wanted;
        while (left > 0 && !rangesIgnored) {
            buffer.clear().limit((int) Math.min(left, buffer.capacity()));
            try {
                fill(body, buffer, speed);
            } finally {
                left -= buffer.position();
                keep(segment, buffer.flip(), retries);
            }
        }
    }

    private static void fill(BufferedSource body, ByteBuffer buffer, Speed speed)
            throws IOException {
        while (buffer.hasRemaining()) {
            int count = body.read(buffer);
            if (count < 0) {
                throw new IOException("the server ended the body early");
            }
            speed.moved(count);
        }
    }

    private void keep(int segment, ByteBuffer bytes, Retries retries) throws IOException {
        int count = bytes.remaining();
        if (count > 0) {
            append(segment, bytes);
            retries.progressed();
            listener.on(new HubEvent.Moved(file.path(), count));
            long share = partial.segmentLength(0) / options.maxWorkers();
            if (partial.done(segment) >= share && partial.done(segment) - count < share) {
                workers.ifPresent(SegmentWorkers::gotShare);
            }
        }
    }

    /** A failing disk is not the network's: it must not be tried again. */
    private void append(int segment, ByteBuffer bytes) throws IOException {
        try {
            partial.append(segment, bytes);
        } catch (java.nio.channels.ClosedByInterruptException e) {
            throw new java.io.InterruptedIOException("interrupted");
        } catch (IOException e) {
            var disk = new FileSystemException(file.path(), null, String.valueOf(e.getMessage()));
            disk.initCause(e);
            throw disk;
        }
    }

    /**
     * The server sends the whole file whatever is asked: one request, in order. After a cut it
     * begins at 0 again, and only what is new counts as progress.
     */
    private void fromTheStart() throws IOException {
        restart("the server ignores Range");
        Retries retries = wire.retries(origin.what());
        furthest = 0;
        int renewals = 0;
        while (partial.present() < file.bytes()) {
            if (partial.present() > 0) {
                restart("the connection was cut, and the server ignores Range");
            }
            renewals +=
                    attempt((place, buffer) -> whole(place, buffer, retries), renewals, retries);
        }
    }

    private Optional<Answer> whole(HttpUrl place, ByteBuffer buffer, Retries retries)
            throws IOException {
        Answer answer = wire.once(Ask.content(origin.what(), place));
        if (answer.status() != 200) {
            return Optional.of(answer);
        }
        try (answer) {
            origin.check(answer);
            checkLength(answer);
            sequential(answer.body(), buffer, retries);
        }
        return Optional.empty();
    }

    private void sequential(BufferedSource body, ByteBuffer buffer, Retries retries)
            throws IOException {
        var speed = new Speed(options.downloadTimeout().multipliedBy(3));
        for (int segment = 0; segment < partial.segments(); segment++) {
            long left = partial.segmentLength(segment);
            while (left > 0) {
                buffer.clear().limit((int) Math.min(left, buffer.capacity()));
                fill(body, buffer, speed);
                left -= buffer.position();
                int count = buffer.position();
                append(segment, buffer.flip());
                listener.on(new HubEvent.Moved(file.path(), count));
                if (partial.present() > furthest) {
                    furthest = partial.present();
                    retries.progressed();
                }
            }
            hashBehind();
        }
    }

    /**
     * Whoever comes by when nobody else does it. When it is far behind what is fetched, what is
     * short is the processor, not the network: then whoever comes by waits, or fetching would leave
     * it no time.
     */
    private void hashBehind() throws IOException {
        long hashed = hash.hashed();
        if (hashed >= found && partial.contiguous() - hashed > 2 * partial.segmentLength(0)) {
            hashing.lock();
        } else if (!hashing.tryLock()) {
            return;
        }
        try {
            hash.upTo(partial.channel(), partial.contiguous());
        } finally {
            hashing.unlock();
        }
    }
}
