package graft.hub.cache;

import java.nio.file.Path;

/** The cache below one folder. Safe from any thread and beside other processes. */
public final class HubCache {
    private final Path root;

    public HubCache(Path root) {
        this.root = root;
    }

    /** The folder of the cache. */
    public Path root() {
        return root;
    }
}
