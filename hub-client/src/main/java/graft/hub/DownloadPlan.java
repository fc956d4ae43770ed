package graft.hub;

import java.nio.file.Path;
import java.util.List;

/**
 * What a download would do.
 *
 * @param folder where the files are or will be: the snapshot's folder in the cache, or the local
 *     folder
 * @param items the files that match, in path order
 */
public record DownloadPlan(Path folder, List<Item> items) {
    /**
     * One file.
     *
     * @param present whether it need not be fetched
     * @param resumedBytes bytes that an interrupted run left; 0 if present
     */
    public record Item(HubFile file, boolean present, long resumedBytes) {
        /** Bytes that will move. */
        public long bytesToFetch() {
            return present ? 0 : file.bytes() - resumedBytes;
        }
    }

    public DownloadPlan {
        items = List.copyOf(items);
    }

    /** Bytes of all files. */
    public long bytes() {
        return items.stream().mapToLong(item -> item.file().bytes()).sum();
    }

    /** Bytes that will move. */
    public long bytesToFetch() {
        return items.stream().mapToLong(Item::bytesToFetch).sum();
    }

    /** Files that will move. */
    public int filesToFetch() {
        return (int) items.stream().filter(item -> !item.present()).count();
    }
}
