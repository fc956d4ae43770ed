package graft.hub.download;

import graft.hub.DownloadPlan;
import graft.hub.DownloadRequest;
import graft.hub.HubEvent;
import graft.hub.HubException;
import graft.hub.HubFile;
import graft.hub.HubListener;
import graft.hub.HubOptions;
import graft.hub.NoSpaceException;
import graft.hub.RemoteFile;
import graft.hub.Snapshot;
import graft.hub.cache.FileLocks;
import graft.hub.cache.HubCache;
import graft.hub.cache.LocalFolderTarget;
import graft.hub.cache.Partial;
import graft.hub.cache.SnapshotTarget;
import graft.hub.cache.Target;
import graft.hub.http.HubApi;
import graft.hub.http.Tasks;
import graft.hub.http.Wire;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/** Downloads of one client. Safe from any thread. */
public final class Downloads {
    /** Room that is left on the disk for everybody else. */
    private static final long SPARE_BYTES = 16 << 20;

    private final Wire wire;
    private final HubApi api;
    private final HubCache cache;
    private final HubOptions options;
    private final HubListener listener;
    private final Buffers buffers;

    public Downloads(
            Wire wire, HubApi api, HubCache cache, HubOptions options, HubListener listener) {
        this.wire = wire;
        this.api = api;
        this.cache = cache;
        this.options = options;
        this.listener = listener;
        this.buffers = new Buffers(options.maxWorkers());
    }

    /** See {@link graft.hub.HubClient#plan}. */
    public DownloadPlan plan(DownloadRequest request) throws IOException {
        Target target = target(request);
        return plan(request, target, placed(request, target));
    }

    /** The chosen files, and whether each is at its place and may stay; to know may take a hash. */
    private Map<HubFile, Boolean> placed(DownloadRequest request, Target target)
            throws IOException {
        Map<HubFile, Boolean> placed = new LinkedHashMap<>();
        for (HubFile file : chosen(request)) {
            placed.put(file, !request.force() && target.isPlaced(file));
        }
        return placed;
    }

    private static DownloadPlan plan(
            DownloadRequest request, Target target, Map<HubFile, Boolean> placed)
            throws IOException {
        List<DownloadPlan.Item> items = new ArrayList<>();
        for (var entry : placed.entrySet()) {
            HubFile file = entry.getKey();
            boolean present = entry.getValue() || (!request.force() && target.isOnDisk(file));
            long resumed =
                    present || request.force()
                            ? 0
                            : Partial.resumable(
                                    target.partialFolder(file),
                                    target.partialName(file),
                                    file.bytes());
            items.add(new DownloadPlan.Item(file, present, resumed));
        }
        return new DownloadPlan(target.folder(), items);
    }

    private List<HubFile> chosen(DownloadRequest request) throws IOException {
        Snapshot snapshot = request.snapshot();
        List<String> paths = snapshot.files().stream().map(HubFile::path).toList();
        List<String> missing = request.files().unmatched(paths);
        if (!missing.isEmpty()) {
            if (snapshot.complete() && !request.files().names().isEmpty()) {
                for (String name : missing) {
                    quietly(() -> cache.rememberAbsent(snapshot, name));
                }
            }
            throw new HubException.NotFound(
                    "%s: no file matches '%s'".formatted(snapshot.label(), missing.getFirst()),
                    snapshot.complete()
                            ? "list the files with `graft download %s --dry-run`"
                                    .formatted(snapshot.ref().id())
                            : "the cache holds only a part of it; go online to fetch the rest");
        }
        List<HubFile> chosen =
                snapshot.files().stream()
                        .filter(file -> request.files().accepts(file.path()))
                        .toList();
        if (chosen.isEmpty()) {
            throw new HubException.NotFound(
                    "%s: no file is left to download".formatted(snapshot.label()),
                    "check --include and --exclude");
        }
        return chosen;
    }

    private Target target(DownloadRequest request) {
        var cached = new SnapshotTarget(cache, request.snapshot(), options.symlinks());
        Optional<Path> local = request.localDir();
        return local.isPresent()
                ? new LocalFolderTarget(local.get(), request.snapshot(), cached)
                : cached;
    }

    /** See {@link graft.hub.HubClient#download}. */
    public Path run(DownloadRequest request) throws IOException {
        Target target = target(request);
        Map<HubFile, Boolean> placed = placed(request, target);
        DownloadPlan plan = plan(request, target, placed);
        checkOnline(request.snapshot(), plan);
        checkSpace(target.folder(), plan.bytesToFetch());
        listener.on(new HubEvent.Planned(plan.filesToFetch(), plan.bytesToFetch()));
        List<HubFile> missing = new ArrayList<>();
        placed.forEach((file, there) -> {
            if (!there) {
                missing.add(file);
            }
        });
        Tasks tasks = wire.tasks();
        tasks.forkEach(missing, options.maxWorkers(), file -> fetch(request, target, file));
        tasks.join();
        if (request.localDir().isEmpty()) {
            quietly(() -> cache.remember(request.snapshot()));
        }
        return target.folder();
    }

    private void checkOnline(Snapshot snapshot, DownloadPlan plan) throws HubException {
        if (!options.offline()) {
            return;
        }
        for (DownloadPlan.Item item : plan.items()) {
            if (!item.present()) {
                throw offline(snapshot, item.file());
            }
        }
    }

    private static HubException offline(Snapshot snapshot, HubFile file) {
        return new HubException.NotFound(
                "%s: '%s' is not in the cache, and this is offline mode"
                        .formatted(snapshot.label(), file.path()),
                "download it once without --offline (HF_HUB_OFFLINE)");
    }

    private static void checkSpace(Path folder, long needed) throws IOException {
        Path existing = folder.toAbsolutePath();
        while (existing != null && !Files.exists(existing)) {
            existing = existing.getParent();
        }
        if (existing == null || needed == 0) {
            return;
        }
        long free = Files.getFileStore(existing).getUsableSpace();
        if (free < needed + SPARE_BYTES) {
            throw new NoSpaceException(existing, needed, free);
        }
    }

    private void fetch(DownloadRequest request, Target target, HubFile file) throws IOException {
        try (FileLocks.Held held = cache.locks().lock(target.lock(file))) {
            boolean placed =
                    !request.force() && (target.isPlaced(file) || target.placeFromDisk(file));
            if (!placed) {
                boolean resume = held.excludesProcesses() && !request.force();
                transfer(request.snapshot(), target, file, resume);
            }
        }
    }

    private void transfer(Snapshot snapshot, Target target, HubFile file, boolean resume)
            throws IOException {
        var origin = new Origin(wire, api, snapshot, file);
        Partial partial =
                Partial.open(
                        target.partialFolder(file),
                        target.partialName(file),
                        file.bytes(),
                        options.segmentBytes(),
                        resume);
        boolean keep = true;
        try {
            long resumed = partial.present();
            listener.on(new HubEvent.Started(file.path(), file.bytes(), resumed));
            var transfer = new Transfer(wire, options, listener, buffers, origin, file, partial);
            String hash = transfer.run();
            if (!matches(file, hash) && resumed > 0) {
                transfer.restart("what an earlier run left is damaged");
                hash = transfer.run();
            }
            if (!matches(file, hash)) {
                keep = false;
                throw origin.corrupted(
                        "the bytes have the hash %s, the Hub promised %s"
                                .formatted(hash, file.etag().orElse("")));
            }
            Path finished = partial.finish();
            keep = false; // without its journal nobody can go on with it
            target.place(file, finished, hash);
            listener.on(new HubEvent.Finished(file.path(), file.bytes()));
        } finally {
            if (keep && partial.present() > 0) {
                partial.close();
            } else {
                partial.discard();
            }
        }
    }

    private static boolean matches(HubFile file, String hash) {
        return file.etag().isEmpty() || file.etag().get().equals(hash);
    }

    /** Opens a file for ranged reads: in the cache if it is there, else at the Hub. */
    public RemoteFile open(Snapshot snapshot, HubFile file) throws IOException {
        var cached = new SnapshotTarget(cache, snapshot, options.symlinks());
        if (cached.isPlaced(file)) {
            return new CachedFile(file, cached.path(file));
        }
        if (options.offline()) {
            throw offline(snapshot, file);
        }
        return new RangedFile(wire, new Origin(wire, api, snapshot, file), file);
    }

    /** A cache that cannot be written still serves; the user hears of it. */
    private void quietly(Tasks.Task task) throws IOException {
        try {
            task.run();
        } catch (java.nio.file.FileSystemException e) {
            listener.on(new HubEvent.Warning("the cache cannot be written: " + e.getMessage()));
        }
    }
}
