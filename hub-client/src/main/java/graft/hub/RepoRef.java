package graft.hub;

import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * A model repository on the Hub: {@code org/name[@revision][/sub/folder]}, or the same after {@code
 * hf://}.
 *
 * @param owner user or organisation
 * @param name repository name
 * @param revision branch, tag or commit; a branch with a slash cannot be written this way
 * @param folder path below the repository's root, without leading or trailing slash; empty for the
 *     root
 */
public record RepoRef(String owner, String name, Optional<String> revision, String folder) {
    /** As huggingface_hub's {@code validate_repo_id}: letters, digits, '-', '_', '.'. */
    private static final String WORD = "[A-Za-z0-9_](?:[A-Za-z0-9._-]{0,94}[A-Za-z0-9_])?";

    private static final Pattern FORM =
            Pattern.compile(
                    "(?:hf://)?(?:models/)?(%s)/(%s)(?:@([A-Za-z0-9._-]{1,255}))?(?:/(.+?))?/?"
                            .formatted(WORD, WORD));

    /** Whether {@code text} names a repository; empty if it does not have the form. */
    public static Optional<RepoRef> parse(String text) {
        Matcher form = FORM.matcher(text);
        if (!form.matches() || text.contains("--") || text.contains("..")) {
            return Optional.empty();
        }
        String folder = form.group(4) == null ? "" : form.group(4);
        return Optional.of(
                new RepoRef(
                        form.group(1), form.group(2), Optional.ofNullable(form.group(3)), folder));
    }

    /** The canonical short form. */
    @Override
    public String toString() {
        String at = revision.map(r -> "@" + r).orElse("");
        return owner + "/" + name + at + (folder.isEmpty() ? "" : "/" + folder);
    }
}
