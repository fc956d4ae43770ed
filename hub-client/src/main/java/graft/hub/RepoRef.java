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
 * @param revision branch, tag, commit or {@code refs/pr/N}
 * @param folder path below the repository's root, without leading or trailing slash; empty for the
 *     root
 */
public record RepoRef(String owner, String name, Optional<String> revision, String folder) {
    /** What a repository without a revision means. */
    public static final String DEFAULT_REVISION = "main";

    /** As huggingface_hub's {@code validate_repo_id}: letters, digits, '-', '_', '.'. */
    private static final String WORD = "[A-Za-z0-9_](?:[A-Za-z0-9._-]{0,94}[A-Za-z0-9_])?";

    private static final Pattern FORM =
            Pattern.compile(
                    "(?:hf://)?(?:models/)?(%s)/(%s)(?:@(refs/[a-z]+/[A-Za-z0-9._-]{1,255}|[A-Za-z0-9._%%-]{1,255}))?(?:/(.+?))?/?"
                            .formatted(WORD, WORD));

    private static final Pattern OTHER_KIND =
            Pattern.compile("(hf://)?(datasets|spaces|buckets|kernels)/[^/]+(/.*)?");

    /** What a branch, tag or commit may look like: names that are plain paths. */
    private static final Pattern REVISION =
            Pattern.compile("[A-Za-z0-9_][A-Za-z0-9._-]*(/[A-Za-z0-9_][A-Za-z0-9._-]*)*");

    /**
     * @throws IllegalArgumentException if a part breaks a rule; see {@link #parse} for text
     */
    public RepoRef {
        if (!owner.matches(WORD) || !name.matches(WORD) || (owner + "/" + name).contains("--")) {
            throw new IllegalArgumentException(
                    "no repository name: '%s/%s'".formatted(owner, name));
        }
        if (name.endsWith(".git") || owner.contains("..") || name.contains("..")) {
            throw new IllegalArgumentException(
                    "no repository name: '%s/%s'".formatted(owner, name));
        }
        revision.ifPresent(RepoRef::checkRevision);
        if (!folder.isEmpty() && SafePath.problem(folder).isPresent()) {
            throw new IllegalArgumentException("no folder of a repository: '%s'".formatted(folder));
        }
    }

    /** Whether {@code text} names a model repository; empty if it does not have the form. */
    public static Optional<RepoRef> parse(String text) {
        Matcher form = FORM.matcher(text);
        if (otherKind(text).isPresent() || !form.matches()) {
            return Optional.empty();
        }
        String folder = form.group(4) == null ? "" : form.group(4);
        Optional<String> revision =
                Optional.ofNullable(form.group(3)).map(r -> r.replace("%2F", "/"));
        try {
            return Optional.of(new RepoRef(form.group(1), form.group(2), revision, folder));
        } catch (IllegalArgumentException e) {
            return Optional.empty();
        }
    }

    /**
     * The kind of repository that {@code text} names, if it is another one than a model: {@code
     * datasets} or {@code spaces}. Graft reads neither.
     */
    public static Optional<String> otherKind(String text) {
        Matcher other = OTHER_KIND.matcher(text);
        return other.matches() ? Optional.of(other.group(2)) : Optional.empty();
    }

    private static void checkRevision(String revision) {
        boolean plain =
                REVISION.matcher(revision).matches()
                        && revision.length() <= 255
                        && !revision.contains("..")
                        && !revision.endsWith(".lock")
                        && SafePath.problem(revision).isEmpty();
        if (!plain) {
            throw new IllegalArgumentException("no revision: '%s'".formatted(revision));
        }
    }

    /** {@code org/name}. */
    public String id() {
        return owner + "/" + name;
    }

    /** The revision, or {@code main}. */
    public String revisionOrMain() {
        return revision.orElse(DEFAULT_REVISION);
    }

    /** The same repository at another revision. */
    public RepoRef at(String other) {
        return new RepoRef(owner, name, Optional.of(other), folder);
    }

    /** {@code path} counted from the root of the repository instead of from the folder. */
    public String inFolder(String path) {
        return folder.isEmpty() ? path : folder + "/" + path;
    }

    /** The canonical short form. */
    @Override
    public String toString() {
        String at =
                revision.map(r -> "@" + (r.startsWith("refs/") ? r : r.replace("/", "%2F")))
                        .orElse("");
        return owner + "/" + name + at + (folder.isEmpty() ? "" : "/" + folder);
    }
}
