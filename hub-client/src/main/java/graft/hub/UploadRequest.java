package graft.hub;

import java.nio.file.Path;
import java.util.Optional;

/**
 * A folder to upload as one commit.
 *
 * @param repo where to; its revision is the branch ({@code main} if none), its folder the place in
 *     the repository
 * @param source a folder, or one file
 * @param files which files, counted from {@code source}
 * @param message first line of the commit
 * @param description what follows it; may be empty
 * @param createPr open a pull request instead of committing to the branch
 * @param privateRepo whether a repository that must be created is private
 * @param parentCommit refuse unless the branch is still at this commit; by default, the commit that
 *     was its head when the upload began
 */
public record UploadRequest(
        RepoRef repo,
        Path source,
        FileFilter files,
        String message,
        String description,
        boolean createPr,
        boolean privateRepo,
        Optional<String> parentCommit) {}
