package graft.hub.cache;

import graft.hub.RepoRef;
import graft.hub.SafePath;

import java.nio.file.Path;
import java.util.regex.Pattern;

/**
 * Where things of one repository lie. Every name is checked here before it becomes a path: an ETag
 * of {@code ../../../pwn} has led another client out of its cache.
 *
 * @param cache folder of the cache
 * @param name {@code models--org--name}
 */
public record RepoFolder(Path cache, String name) {
    private static final Pattern ETAG = Pattern.compile("[0-9a-f]{40}|[0-9a-f]{64}");
    private static final Pattern COMMIT = Pattern.compile("[0-9a-f]{40}");

    static final String PREFIX = "models--";

    /** The folder of {@code ref}'s repository. */
    public static RepoFolder of(Path cache, RepoRef ref) {
        return new RepoFolder(cache, PREFIX + ref.owner() + "--" + ref.name());
    }

    /** Whether a server's ETag may name a blob: a git object id or a SHA-256. */
    public static boolean isEtag(String text) {
        return ETAG.matcher(text).matches();
    }

    /** Whether a server's commit may name a snapshot. */
    public static boolean isCommit(String text) {
        return COMMIT.matcher(text).matches();
    }

    /** The folder itself. */
    public Path root() {
        return cache.resolve(name);
    }

    public Path blobs() {
        return root().resolve("blobs");
    }

    public Path blob(String etag) {
        return blobs().resolve(checkedEtag(etag));
    }

    public Path lock(String etag) {
        return cache.resolve(".locks").resolve(name).resolve(checkedEtag(etag) + ".lock");
    }

    public Path snapshots() {
        return root().resolve("snapshots");
    }

    public Path snapshot(String commit) {
        return snapshots().resolve(checkedCommit(commit));
    }

    /** Where {@code path} of a commit lies. */
    public Path pointer(String commit, String path) {
        return inside(snapshot(commit), path);
    }

    /** What says that a commit has no {@code path}. */
    public Path noExist(String commit, String path) {
        return inside(noExist(commit), path);
    }

    /** Folder of the paths that a commit is known not to have. */
    public Path noExist(String commit) {
        return root().resolve(".no_exist").resolve(checkedCommit(commit));
    }

    public Path refs() {
        return root().resolve("refs");
    }

    public Path ref(String revision) {
        return inside(refs(), revision);
    }

    public Path tree(String commit) {
        return root().resolve("trees").resolve(checkedCommit(commit) + ".json");
    }

    /** {@code org/name}; {@code datasets/org/name} for what other tools have put there. */
    public String repo() {
        String id = name.startsWith(PREFIX) ? name.substring(PREFIX.length()) : name;
        return id.replace("--", "/");
    }

    private static String checkedEtag(String etag) {
        if (!isEtag(etag)) {
            throw new IllegalArgumentException("no ETag of the Hub");
        }
        return etag;
    }

    private static String checkedCommit(String commit) {
        if (!isCommit(commit)) {
            throw new IllegalArgumentException("no commit");
        }
        return commit;
    }

    /** {@code path} below {@code folder}, certainly. */
    public static Path inside(Path folder, String path) {
        SafePath.problem(path)
                .ifPresent(problem -> {
                    throw new IllegalArgumentException("unsafe path: " + problem);
                });
        Path found = folder.resolve(path).normalize();
        if (!found.startsWith(folder.normalize())) {
            throw new IllegalArgumentException("unsafe path: leaves its folder");
        }
        return found;
    }
}
