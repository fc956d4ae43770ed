package graft.hub.upload;

import graft.hub.HubFile;
import graft.hub.cache.BlobHash;

import java.io.IOException;
import java.nio.file.Path;

/**
 * A file to upload.
 *
 * @param source on this disk
 * @param path in the repository
 * @param bytes size when it was listed
 */
record LocalFile(Path source, String path, long bytes) {
    private static final String SHA256_LIKE = "0".repeat(64);
    private static final String GIT_LIKE = "0".repeat(40);

    String sha256() throws IOException {
        return BlobHash.of(source, SHA256_LIKE);
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
