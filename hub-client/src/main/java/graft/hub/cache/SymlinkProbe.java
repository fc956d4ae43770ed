package graft.hub.cache;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;

/** Whether a folder's file system, and this user, can make symbolic links. */
final class SymlinkProbe {
    /** A fact about the machine, so it may outlive a client. */
    private static final Map<Path, Boolean> KNOWN = new ConcurrentHashMap<>();

    private SymlinkProbe() {}

    static boolean works(Path folder) throws IOException {
        Boolean known = KNOWN.get(folder);
        if (known != null) {
            return known;
        }
        Files.createDirectories(folder);
        Path link = folder.resolve(".graft-probe." + Publish.unique());
        boolean works;
        try {
            Files.createSymbolicLink(link, Path.of("nowhere"));
            works = true;
        } catch (UnsupportedOperationException | IOException e) {
            works = false;
        } finally {
            Files.deleteIfExists(link);
        }
        KNOWN.put(folder, works);
        return works;
    }
}
