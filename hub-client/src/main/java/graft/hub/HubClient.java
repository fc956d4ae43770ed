package graft.hub;

import graft.hub.cache.BlobHash;
import graft.hub.cache.HubCache;
import graft.hub.cache.RepoFolder;
import graft.hub.download.Downloads;
import graft.hub.http.HubApi;
import graft.hub.http.Pacer;
import graft.hub.http.Wire;
import graft.hub.upload.Uploads;

import java.io.IOException;
import java.io.InterruptedIOException;
import java.net.SocketTimeoutException;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicReference;

/**
 * Downloads from and uploads to a Hub, through the cache that the Hub's Python and JavaScript tools
 * share.
 *
 * <pre>{@code
 * try (var hub = new HubClient(HubOptions.fromEnvironment(), HubListener.NONE)) {
 *     Snapshot model = hub.snapshot(RepoRef.parse("org/name").orElseThrow());
 *     Path folder = hub.download(DownloadRequest.of(model, FileFilter.including(List.of("*.safetensors"))));
 * }
 * }</pre>
 *
 * <p><b>Promises.</b> A snapshot is one commit. A file under a final name is whole and has the hash
 * that the Hub promised. The token goes to the endpoint's own origin and nowhere else; {@code
 * https} is never followed to {@code http}. Nothing a server sends becomes a path unchecked.
 *
 * <p><b>Threads.</b> Methods block, may run at once from any thread, and answer interruption with
 * {@link java.io.InterruptedIOException}; {@link #close} cancels what is running. Requests run on
 * threads of their own, at most {@link HubOptions#maxWorkers} at the same time. What an interrupted
 * or killed download fetched is kept, and the next run goes on from there.
 *
 * <p><b>Errors.</b> {@link HubException} for what the Hub says or sends, {@link NoSpaceException}
 * before a download that cannot fit, other {@link IOException}s for the local disk.
 */
public final class HubClient implements AutoCloseable {
    private final HubOptions options;
    private final HubListener listener;
    private final HubCache cache;
    private final Wire wire;
    private final HubApi api;
    private final Downloads downloads;
    private final Uploads uploads;

    public HubClient(HubOptions options, HubListener listener) {
        this(options, listener, Pacer.SYSTEM);
    }

    /** For tests: with another clock and other dice. */
    HubClient(HubOptions options, HubListener listener, Pacer pacer) {
        this.options = options;
        this.listener = listener;
        this.cache = new HubCache(options.cache());
        this.wire = new Wire(options, listener, pacer);
        this.api = new HubApi(wire);
        this.downloads = new Downloads(wire, api, cache, options, listener);
        this.uploads = new Uploads(wire, api, options, listener);
    }

    public HubOptions options() {
        return options;
    }

    /** The cache on disk. */
    public HubCache cache() {
        return cache;
    }

    /**
     * Pins the revision of {@code ref} to its commit and lists the files of that commit.
     *
     * <p>Offline, or when the Hub cannot be reached, what the cache knows of that revision answers.
     *
     * @throws HubException.NotFound if there is no such repository or revision, or, offline, not in
     *     the cache
     */
    public Snapshot snapshot(RepoRef ref) throws IOException {
        Optional<Snapshot> known = cache.snapshot(ref);
        if (options.offline()) {
            return known.orElseThrow(() ->
                    new HubException.NotFound(
                            ref + ": not in the cache, and this is offline mode",
                            "download it once without --offline (HF_HUB_OFFLINE)"));
        }
        boolean pinned = RepoFolder.isCommit(ref.revisionOrMain());
        if (pinned && known.isPresent() && known.get().complete()) {
            return known.get(); // a commit never changes
        }
        var found = new AtomicReference<Snapshot>();
        try {
            wire.tasks().run(() -> found.set(ask(ref, known)));
            return found.get();
        } catch (HubException.Unreachable e) {
            return fromCache(known, e);
        } catch (HubException e) {
            throw e;
        } catch (IOException e) {
            if (e instanceof InterruptedIOException && !(e instanceof SocketTimeoutException)) {
                throw e;
            }
            return fromCache(known, e); // one try was enough: there is another answer
        }
    }

    private Snapshot fromCache(Optional<Snapshot> known, IOException why) throws IOException {
        Snapshot snapshot = known.orElseThrow(() -> why);
        listener.on(
                new HubEvent.Warning(
                        "the Hub cannot be reached; %s as the cache has it"
                                .formatted(snapshot.label())));
        return snapshot;
    }

    private Snapshot ask(RepoRef ref, Optional<Snapshot> known) throws IOException {
        String commit = api.commit(ref, known.isEmpty());
        if (known.isPresent() && known.get().complete() && known.get().commit().equals(commit)) {
            return known.get();
        }
        Optional<List<HubFile>> tree = cache.tree(ref, commit);
        return new Snapshot(
                ref, commit, tree.isPresent() ? tree.get() : api.tree(ref, commit), true);
    }

    /**
     * What {@link #download} would do; asks nobody.
     *
     * @throws HubException.NotFound if a name or an include pattern chooses no file
     */
    public DownloadPlan plan(DownloadRequest request) throws IOException {
        return downloads.plan(request);
    }

    /**
     * Fetches the files that are not there yet, each under its final name only when its hash is
     * right.
     *
     * @return the folder of the snapshot's root: {@code snapshots/{commit}} in the cache, or the
     *     local folder
     * @throws HubException.Corrupted if bytes have another hash than the Hub promised
     * @throws NoSpaceException if the disk has no room for what is missing
     */
    public Path download(DownloadRequest request) throws IOException {
        return downloads.run(request);
    }

    /**
     * Opens a file for ranged reads; asks nobody before the first read.
     *
     * @param path counted from the repository's root
     * @throws HubException.NotFound if the snapshot has no such file
     */
    public RemoteFile open(Snapshot snapshot, String path) throws IOException {
        HubFile file =
                snapshot.find(path)
                        .orElseThrow(() ->
                                new HubException.NotFound(
                                        "%s: no file '%s'".formatted(snapshot.label(), path),
                                        "check the name"));
        return downloads.open(snapshot, file);
    }

    /**
     * Reads a small file whole, from the cache or from the Hub, and checks its hash; leaves nothing
     * on disk.
     *
     * @param maxBytes what the caller is ready to hold
     * @throws HubException.NotFound if the snapshot has no such file
     * @throws HubException.Corrupted if it is larger, or has another hash than the Hub promised
     */
    public byte[] read(Snapshot snapshot, String path, int maxBytes) throws IOException {
        RemoteFile file = open(snapshot, path);
        if (file.file().bytes() > maxBytes) {
            throw new HubException.Corrupted(
                    "%s: '%s' has %d bytes, expected at most %d"
                            .formatted(snapshot.label(), path, file.file().bytes(), maxBytes),
                    "tell the owner of the repository");
        }
        ByteBuffer content = ByteBuffer.allocate((int) file.file().bytes());
        file.read(0, content);
        Optional<String> etag = file.file().etag();
        if (etag.isPresent() && !BlobHash.of(content.array(), etag.get()).equals(etag.get())) {
            throw new HubException.Corrupted(
                    "%s: '%s' has another hash than the Hub promised"
                            .formatted(snapshot.label(), path),
                    "run it again; check HF_ENDPOINT and any proxy in between");
        }
        return content.array();
    }

    /**
     * Uploads a folder as one commit; creates the repository if it is not there. Files that the
     * repository already holds at their paths are not sent, and nothing changed means no commit.
     *
     * @throws HubException.Conflict if the branch moved meanwhile; nothing was committed
     */
    public Uploaded upload(UploadRequest request) throws IOException {
        var done = new AtomicReference<Uploaded>();
        wire.tasks().run(() -> done.set(uploads.run(request)));
        return done.get();
    }

    /** Cancels what is running. */
    @Override
    public void close() {
        wire.close();
    }
}
