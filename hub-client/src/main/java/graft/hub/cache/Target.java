package graft.hub.cache;

import graft.hub.HubFile;

import java.io.IOException;
import java.nio.file.Path;

/** Where the files of one snapshot go. Safe from any thread. */
public sealed interface Target permits SnapshotTarget, LocalFolderTarget {
    /** The folder that stands for the repository's root. */
    Path folder();

    /** Where {@code file} is or will be. */
    Path path(HubFile file);

    /** Whether {@code file} is at its place already. */
    boolean isPlaced(HubFile file) throws IOException;

    /**
     * Puts {@code file} at its place from what this disk already has, without the network.
     *
     * @return whether it could
     */
    boolean placeFromDisk(HubFile file) throws IOException;

    /** Whether {@link #placeFromDisk} would find it; looks at names and sizes only. */
    boolean isOnDisk(HubFile file) throws IOException;

    /** Folder of the partial, on the same file system as the place. */
    Path partialFolder(HubFile file);

    /** First part of the partial's name: the same for the same content. */
    String partialName(HubFile file);

    /** File whose lock says who fetches {@code file}. */
    Path lock(HubFile file);

    /**
     * Moves a finished, verified temporary to its place.
     *
     * @param hash the content's hash, of the kind of the ETag; SHA-256 if there is no ETag
     */
    void place(HubFile file, Path finished, String hash) throws IOException;
}
