package graft.hub.cache;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.stream.Stream;

/**
 * What of a repository nobody needs: snapshots that no branch or tag means any more, content that
 * no other snapshot has, partials that no download has touched for a day.
 *
 * <p>Content in a store that repositories share is left to the tool that made it.
 *
 * @param paths what would go: snapshot folders, then files
 * @param bytes what that frees
 */
public record CachePruning(List<Path> paths, long bytes) {
    private static final Duration ABANDONED = Duration.ofDays(1);

    /** Looks; removes nothing. */
    public static CachePruning of(CachedRepo repo) throws IOException {
        List<Path> paths = new ArrayList<>();
        Set<Path> needed = new HashSet<>();
        long bytes = 0;
        for (CachedRepo.Revision revision : repo.revisions()) {
            boolean detached = revision.refs().isEmpty();
            if (detached) {
                RepoFolder folder = repo.folder();
                paths.add(folder.snapshot(revision.commit()));
                paths.add(folder.noExist(revision.commit()));
                paths.add(folder.tree(revision.commit()));
            }
            for (Path file : revision.files()) {
                if (!detached && Files.exists(file)) {
                    needed.add(target(file));
                } else if (Files.isRegularFile(file) && !Files.isSymbolicLink(file)) {
                    bytes += Files.size(file);
                }
            }
        }
        for (Path blob : CachedRepo.sorted(repo.folder().blobs())) {
            if (isUnneeded(blob, needed)) {
                paths.add(blob);
                bytes += Files.isSymbolicLink(blob) ? 0 : Files.size(blob);
            }
        }
        paths.removeIf(path -> !Files.exists(path) && !Files.isSymbolicLink(path));
        return new CachePruning(List.copyOf(paths), bytes);
    }

    /** The blob that a snapshot's link names, itself perhaps a link into a shared store. */
    private static Path target(Path file) throws IOException {
        return Files.isSymbolicLink(file)
                ? file.resolveSibling(Files.readSymbolicLink(file)).normalize()
                : file;
    }

    private static boolean isUnneeded(Path blob, Set<Path> needed) throws IOException {
        if (RepoFolder.isEtag(blob.getFileName().toString())) {
            return !needed.contains(blob.normalize());
        }
        Instant touched = Files.getLastModifiedTime(blob).toInstant();
        return Partial.isPartial(blob) && touched.isBefore(Instant.now().minus(ABANDONED));
    }

    /** Removes it. */
    public void run() throws IOException {
        for (Path path : paths) {
            if (Files.isDirectory(path)) {
                try (Stream<Path> all = Files.walk(path)) {
                    for (Path entry : all.sorted(Comparator.reverseOrder()).toList()) {
                        Files.deleteIfExists(entry);
                    }
                }
            } else {
                Files.deleteIfExists(path);
            }
        }
    }
}
