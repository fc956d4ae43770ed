package graft.hub;

import java.util.Optional;

/**
 * One file of a commit.
 *
 * @param path inside the repository, checked: relative, plain segments separated by {@code /}
 * @param bytes size of the content
 * @param blobId git object id, 40 hex digits: of the content, or of its LFS pointer; empty for a
 *     file that was found in a cache without a record of it
 * @param sha256 of the content, 64 hex digits, if it is stored as LFS or Xet
 * @param xetHash Xet hash, 64 hex digits, if the Hub tells it
 */
public record HubFile(
        String path,
        long bytes,
        Optional<String> blobId,
        Optional<String> sha256,
        Optional<String> xetHash) {
    /**
     * What the Hub sends as ETag and names the blob in a cache: SHA-256 of LFS content, else git
     * id.
     */
    public Optional<String> etag() {
        return sha256.or(() -> blobId);
    }
}
