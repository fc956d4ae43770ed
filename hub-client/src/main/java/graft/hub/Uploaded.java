package graft.hub;

import java.util.Optional;

/**
 * What an upload did.
 *
 * @param commit the new commit, or the head as it was when nothing had changed
 * @param url page of the commit
 * @param pullRequest page of the pull request, if one was opened
 * @param files files in the commit; 0 when nothing had changed
 * @param unchanged files that the Hub already had at their paths
 * @param bytesSent bytes of content that moved; LFS content that the Hub already stored does not
 */
public record Uploaded(
        String commit,
        String url,
        Optional<String> pullRequest,
        int files,
        int unchanged,
        long bytesSent) {}
