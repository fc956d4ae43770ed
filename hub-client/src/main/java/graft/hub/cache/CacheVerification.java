package graft.hub.cache;

import graft.hub.HubFile;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * Whether content still has the hash that its name, or the stored list of the commit, promises.
 *
 * @param checked files whose hash was computed
 * @param bytes of them
 * @param unknown files that nothing promises a hash for
 * @param problems one line each, with the path
 */
public record CacheVerification(int checked, long bytes, int unknown, List<String> problems) {
    /** Reads everything of {@code repo} once. */
    public static CacheVerification of(CachedRepo repo) throws IOException {
        var work = new Work();
        for (Path blob : CachedRepo.sorted(repo.folder().blobs())) {
            String etag = blob.getFileName().toString();
            if (RepoFolder.isEtag(etag)) {
                work.check(blob, Optional.of(etag));
            }
        }
        for (CachedRepo.Revision revision : repo.revisions()) {
            Path snapshot = repo.folder().snapshot(revision.commit());
            Map<String, String> promised = promised(repo.folder().tree(revision.commit()));
            for (Path file : revision.files()) {
                String path = snapshot.relativize(file).toString().replace('\\', '/');
                boolean link = Files.isSymbolicLink(file) && Files.exists(file);
                if (!link) { // a link's blob is checked already
                    work.check(file, Optional.ofNullable(promised.get(path)));
                }
            }
        }
        return new CacheVerification(work.checked, work.bytes, work.unknown, work.problems);
    }

    private static Map<String, String> promised(Path tree) throws IOException {
        Map<String, String> promised = new HashMap<>();
        for (HubFile file : Tree.read(tree).orElse(List.of())) {
            file.etag().ifPresent(etag -> promised.put(file.path(), etag));
        }
        return promised;
    }

    private static final class Work {
        private final List<String> problems = new ArrayList<>();
        private int checked;
        private int unknown;
        private long bytes;

        void check(Path file, Optional<String> etag) throws IOException {
            if (!Files.exists(file)) {
                problems.add(file + ": points to nothing");
            } else if (etag.isEmpty()) {
                unknown++;
            } else {
                checked++;
                bytes += Files.size(file);
                String hash = BlobHash.of(file, etag.get());
                if (!hash.equals(etag.get())) {
                    problems.add("%s: the content has the hash %s".formatted(file, hash));
                }
            }
        }
    }
}
