package graft.hub.upload;

import graft.hub.HubFile;
import graft.hub.cache.BlobHash;

import org.jspecify.annotations.Nullable;

import java.io.IOException;
import java.nio.file.Path;

/** A file to upload. Its hash is computed once, and by one thread. */
final class LocalFile {
    private static final String SHA256_LIKE = "0".repeat(64);
    private static final String GIT_LIKE = "0".repeat(40);

    private final Path source;
    private final String path;
    private final long bytes;
    private @Nullable String sha256;

    /**
     * @param source on this disk
     * @param path in the repository
     * @param bytes size when it was listed
     */
    LocalFile(Path source, String path, long bytes) {
        this.source = source;
        this.path = path;
        this.bytes = bytes;
    }

    Path source() {
        return source;
    }

    String path() {
        return path;
    }

    long bytes() {
        return bytes;
    }

    String sha256() throws IOException {
        String known = sha256;
        if (known == null) {
            known = BlobHash.of(source, SHA256_LIKE);
            sha256 = known;
        }
        return known;
    }

    /** Whether the Hub has the same content at the same path. */
    boolean equalsRemote(HubFile remote) throws IOException {
        if (remote.bytes() != bytes) {
            return false;
        }
        if (remote.sha256().isPresent()) {
            return remote.sha256().get().equals(sha256());
        }
        return remote.blobId().isPresent()
                && remote.blobId().get().equals(BlobHash.of(source, GIT_LIKE));
    }
}
