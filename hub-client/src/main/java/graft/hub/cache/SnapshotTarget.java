package graft.hub.cache;

import graft.hub.HubFile;
import graft.hub.Snapshot;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/** The cache: blobs by ETag, and a snapshot that links to them or, without links, holds files. */
public final class SnapshotTarget implements Target {
    private final HubCache cache;
    private final RepoFolder repo;
    private final String commit;
    private final boolean symlinks;

    /**
     * @param symlinks whether links may be used; where they cannot, files are used all the same
     */
    public SnapshotTarget(HubCache cache, Snapshot snapshot, boolean symlinks) {
        this.cache = cache;
        this.repo = cache.repo(snapshot.ref());
        this.commit = snapshot.commit();
        this.symlinks = symlinks;
    }

    @Override
    public Path folder() {
        return repo.snapshot(commit);
    }

    @Override
    public Path path(HubFile file) {
        return repo.pointer(commit, file.path());
    }

    @Override
    public boolean isPlaced(HubFile file) throws IOException {
        return hasSize(path(file), file);
    }

    @Override
    public boolean isOnDisk(HubFile file) throws IOException {
        return file.etag().isPresent()
                && (hasSize(repo.blob(file.etag().get()), file) || isShared(file));
    }

    @Override
    public boolean placeFromDisk(HubFile file) throws IOException {
        if (file.etag().isEmpty()) {
            return false;
        }
        String etag = file.etag().get();
        Path blob = repo.blob(etag);
        if (!hasSize(blob, file)) {
            if (!isShared(file) || !BlobHash.of(shared(file), etag).equals(etag)) {
                return false;
            }
            Publish.copy(shared(file), blob);
        }
        point(file, blob);
        return true;
    }

    /** A store of Xet content that huggingface_hub shares between repositories; only read. */
    private boolean isShared(HubFile file) throws IOException {
        return file.xetHash().isPresent() && hasSize(shared(file), file);
    }

    private Path shared(HubFile file) {
        String hash = file.xetHash().orElseThrow();
        return cache.root().resolve("blobs").resolve(hash.substring(0, 2)).resolve(hash);
    }

    @Override
    public Path partialFolder(HubFile file) {
        return repo.blobs();
    }

    @Override
    public String partialName(HubFile file) {
        return file.etag().orElseGet(() -> nameOf(file));
    }

    /** For a server without usable ETags: a name that this file of this commit alone has. */
    private String nameOf(HubFile file) {
        return BlobHash.ofText(commit + "/" + file.path());
    }

    @Override
    public Path lock(HubFile file) {
        return repo.lock(partialName(file));
    }

    @Override
    public void place(HubFile file, Path finished, String hash) throws IOException {
        cache.prepare();
        Path blob = repo.blob(file.etag().orElse(hash));
        if (linksWork()) {
            Publish.rename(finished, blob);
            point(file, blob);
        } else {
            Path pointer = path(file);
            Files.createDirectories(pointer.getParent());
            Publish.rename(finished, pointer);
        }
    }

    private void point(HubFile file, Path blob) throws IOException {
        if (linksWork()) {
            Publish.link(path(file), blob);
        } else {
            Publish.copy(blob, path(file));
        }
    }

    /** Tried out once in the cache's folder: a privilege on Windows, absent on some disks. */
    private boolean linksWork() throws IOException {
        return symlinks && SymlinkProbe.works(cache.root());
    }

    static boolean hasSize(Path path, HubFile file) throws IOException {
        return Files.isRegularFile(path) && Files.size(path) == file.bytes();
    }
}
