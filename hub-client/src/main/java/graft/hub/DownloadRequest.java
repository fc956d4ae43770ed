package graft.hub;

import java.nio.file.Path;
import java.util.Optional;

/**
 * What to download, and where to.
 *
 * @param snapshot from {@link HubClient#snapshot}
 * @param files which of its files; paths count from the repository's root
 * @param localDir a plain folder to fill instead of the cache
 * @param force fetch again what is already there
 */
public record DownloadRequest(
        Snapshot snapshot, FileFilter files, Optional<Path> localDir, boolean force) {
    /** Into the cache, what is missing. */
    public static DownloadRequest of(Snapshot snapshot, FileFilter files) {
        return new DownloadRequest(snapshot, files, Optional.empty(), false);
    }
}
