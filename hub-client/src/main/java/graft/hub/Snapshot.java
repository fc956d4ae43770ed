package graft.hub;

import java.util.List;
import java.util.Optional;

/**
 * A repository pinned to one commit: everything asked of it comes from that commit, whatever
 * happens to the branch. A value.
 *
 * @param ref as asked for; the folder and the revision are the user's
 * @param commit 40 hex digits
 * @param files all files of the commit in path order; only those present, if {@code complete} is
 *     false
 * @param complete whether {@code files} is the whole commit; false for a cached snapshot whose list
 *     nobody stored
 */
public record Snapshot(RepoRef ref, String commit, List<HubFile> files, boolean complete) {
    public Snapshot {
        files = List.copyOf(files);
    }

    /** The file at {@code path}, counted from the root of the repository. */
    public Optional<HubFile> find(String path) {
        return files.stream().filter(file -> file.path().equals(path)).findFirst();
    }

    /** {@code org/name@} and the first digits of the commit, for messages. */
    public String label() {
        return ref.id() + "@" + commit.substring(0, 12);
    }
}
