package graft.hub.testing;

import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.regex.Pattern;

/**
 * One model repository: a bare git repository whose large files are pointers into the hub's LFS
 * folder. Safe from any thread. The same commits in the same order have the same ids.
 */
public final class FakeRepo {
    /** What the real Hub writes into a new repository, shortened to the formats in use here. */
    private static final String ATTRIBUTES =
            """
            *.bin filter=lfs diff=lfs merge=lfs -text
            *.gguf filter=lfs diff=lfs merge=lfs -text
            *.onnx filter=lfs diff=lfs merge=lfs -text
            *.pt filter=lfs diff=lfs merge=lfs -text
            *.safetensors filter=lfs diff=lfs merge=lfs -text
            """;

    private static final long LARGEST_REGULAR_BYTES = 10 << 20;
    private static final Pattern REVISION = Pattern.compile("[A-Za-z0-9][A-Za-z0-9._/-]{0,254}");

    /** A file of a commit; {@code oid} is its git object's, which for LFS is the pointer's. */
    record Stored(String path, String oid, long size, Optional<LfsPointer> lfs, long pointerSize) {}

    /** One step of a commit. */
    sealed interface Change {
        record Put(String path, String oid) implements Change {}

        record DeleteFile(String path) implements Change {}

        record DeleteFolder(String path) implements Change {}
    }

    private final String id;
    private final Path folder;
    private final GitStore git;
    private final LfsStore lfs;
    private volatile boolean hidden;
    private volatile boolean gated;
    private long commits;
    private int pullRequests;

    FakeRepo(String id, Path folder, LfsStore lfs) throws IOException {
        this.id = id;
        this.folder = folder;
        this.lfs = lfs;
        git = new GitStore(folder);
        commit(
                "initial commit",
                Map.of(".gitattributes", ATTRIBUTES.getBytes(StandardCharsets.UTF_8)));
    }

    public String id() {
        return id;
    }

    /** The bare repository, for {@code git} itself. */
    public Path folder() {
        return folder;
    }

    /** Only the writer's token sees it. */
    public FakeRepo setPrivate(boolean value) {
        hidden = value;
        return this;
    }

    public boolean isPrivate() {
        return hidden;
    }

    /** Anyone sees it, only the writer's token downloads. */
    public FakeRepo setGated(boolean value) {
        gated = value;
        return this;
    }

    public boolean isGated() {
        return gated;
    }

    /** Adds or replaces files on {@code main}; returns the commit. */
    public String commit(String message, Map<String, byte[]> files) throws IOException {
        List<Change> changes = new ArrayList<>();
        for (var file : files.entrySet()) {
            byte[] content = file.getValue();
            boolean large = isLarge(head("main"), file.getKey(), content.length, content);
            String oid = large ? putLarge(content) : git.writeBlob(content);
            changes.add(new Change.Put(file.getKey(), oid));
        }
        return apply("refs/heads/main", head("main"), message, "tests", changes);
    }

    /** Adds or replaces on {@code main} every file below a local folder; returns the commit. */
    public String commitFolder(String message, Path source) throws IOException {
        List<Path> files;
        try (var walk = Files.walk(source)) {
            files = walk.filter(Files::isRegularFile).sorted().toList();
        }
        List<Change> changes = new ArrayList<>();
        for (Path file : files) {
            String path = source.relativize(file).toString().replace('\\', '/');
            byte[] sample;
            try (var in = Files.newInputStream(file)) {
                sample = in.readNBytes(512);
            }
            boolean large = isLarge(head("main"), path, Files.size(file), sample);
            String oid =
                    large
                            ? git.writeBlob(lfs.add(file).toBytes())
                            : git.writeBlob(Files.readAllBytes(file));
            changes.add(new Change.Put(path, oid));
        }
        return apply("refs/heads/main", head("main"), message, "tests", changes);
    }

    private String putLarge(byte[] content) throws IOException {
        String sha256 = LfsStore.sha256(content);
        lfs.put(sha256, new ByteArrayInputStream(content));
        return git.writeBlob(new LfsPointer(sha256, content.length).toBytes());
    }

    public void branch(String name, String revision) throws IOException {
        git.setRef("refs/heads/" + name, commitOf(revision));
    }

    public void tag(String name, String revision) throws IOException {
        git.setRef("refs/tags/" + name, commitOf(revision));
    }

    /** The commit of a branch, tag, full reference or commit. */
    public Optional<String> head(String revision) throws IOException {
        if (revision.matches("[0-9a-f]{40}")) {
            return git.has(revision) ? Optional.of(revision) : Optional.empty();
        }
        if (!REVISION.matcher(revision).matches() || revision.contains("..")) {
            return Optional.empty();
        }
        for (String prefix : List.of("refs/heads/", "refs/tags/", "")) {
            String name = prefix + (revision.equals("HEAD") ? "main" : revision);
            Optional<String> commit = name.startsWith("refs/") ? git.ref(name) : Optional.empty();
            if (commit.isPresent()) {
                return commit;
            }
        }
        return Optional.empty();
    }

    private String commitOf(String revision) throws IOException {
        return head(revision).orElseThrow(() -> new IOException("no revision " + revision));
    }

    /** The names of all files of a revision, in git's order. */
    public List<String> files(String revision) throws IOException {
        return stored(commitOf(revision)).stream().map(Stored::path).toList();
    }

    /** The content of a file, large or not. */
    public byte[] read(String revision, String path) throws IOException {
        try (var in = body(file(commitOf(revision), path).orElseThrow()).open(0)) {
            return in.readAllBytes();
        }
    }

    /** Whether git holds a pointer in the file's place. */
    public boolean isLarge(String revision, String path) throws IOException {
        return file(commitOf(revision), path).orElseThrow().lfs().isPresent();
    }

    /** Titles of a revision's commits, newest first. */
    public List<String> log(String revision) throws IOException {
        return history(commitOf(revision)).stream().map(GitStore.Commit::title).toList();
    }

    // What the routes need.

    GitStore git() {
        return git;
    }

    List<GitStore.Entry> entries(String commit) throws IOException {
        return git.readTree(git.readCommit(commit).tree());
    }

    List<Stored> stored(String commit) throws IOException {
        List<Stored> stored = new ArrayList<>();
        for (GitStore.Entry entry : entries(commit)) {
            if (!entry.directory()) {
                stored.add(stored(entry));
            }
        }
        return stored;
    }

    Stored stored(GitStore.Entry file) throws IOException {
        byte[] blob = git.readBlob(file.oid());
        Optional<LfsPointer> pointer = LfsPointer.parse(blob);
        long size = pointer.map(LfsPointer::size).orElse((long) blob.length);
        return new Stored(file.path(), file.oid(), size, pointer, blob.length);
    }

    Optional<Stored> file(String commit, String path) throws IOException {
        for (GitStore.Entry entry : entries(commit)) {
            if (entry.path().equals(path) && !entry.directory()) {
                return Optional.of(stored(entry));
            }
        }
        return Optional.empty();
    }

    Response.Body body(Stored file) throws IOException {
        return file.lfs().isPresent()
                ? Response.Body.of(lfs.file(file.lfs().get().sha256()))
                : Response.Body.of(git.readBlob(file.oid()));
    }

    /** A commit and its first parents, newest first. */
    List<GitStore.Commit> history(String commit) throws IOException {
        List<GitStore.Commit> history = new ArrayList<>();
        GitStore.Commit at = git.readCommit(commit);
        history.add(at);
        while (!at.parents().isEmpty()) {
            at = git.readCommit(at.parents().getFirst());
            history.add(at);
        }
        return history;
    }

    /** The newest commit that changed a path. */
    GitStore.Commit lastChange(String commit, String path) throws IOException {
        List<GitStore.Commit> history = history(commit);
        GitStore.Commit last = history.getFirst();
        Optional<String> oid = oid(last, path);
        for (GitStore.Commit older : history) {
            if (!oid(older, path).equals(oid)) {
                break;
            }
            last = older;
        }
        return last;
    }

    private Optional<String> oid(GitStore.Commit commit, String path) throws IOException {
        return git.readTree(commit.tree()).stream()
                .filter(entry -> entry.path().equals(path))
                .map(GitStore.Entry::oid)
                .findFirst();
    }

    /**
     * The Hub's choice between git and LFS: the attributes, the size, or bytes that are no text.
     */
    boolean isLarge(Optional<String> commit, String path, long size, byte[] sample)
            throws IOException {
        if (size == 0) {
            return false;
        }
        if (size > LARGEST_REGULAR_BYTES) {
            return true;
        }
        for (byte b : sample) {
            if (b == 0) {
                return true;
            }
        }
        Optional<Stored> attributes =
                commit.isPresent() ? file(commit.get(), ".gitattributes") : Optional.empty();
        if (attributes.isEmpty()) {
            return false;
        }
        String name = path.substring(path.lastIndexOf('/') + 1);
        String text = new String(git.readBlob(attributes.get().oid()), StandardCharsets.UTF_8);
        return text.lines()
                .filter(line -> line.contains(" filter=lfs"))
                .map(line -> line.substring(0, line.indexOf(' ')))
                .anyMatch(glob ->
                        glob.startsWith("*")
                                ? name.endsWith(glob.substring(1))
                                : glob.equals(name));
    }

    /** Commits onto a reference that must still be where {@code parent} says. */
    synchronized String apply(
            String ref,
            Optional<String> parent,
            String message,
            String author,
            List<Change> changes)
            throws IOException {
        SortedMap<String, String> blobs = new TreeMap<>();
        if (parent.isPresent()) {
            for (GitStore.Entry entry : entries(parent.get())) {
                if (!entry.directory()) {
                    blobs.put(entry.path(), entry.oid());
                }
            }
        }
        for (Change change : changes) {
            switch (change) {
                case Change.Put(String path, String oid) -> blobs.put(path, oid);
                case Change.DeleteFile(String path) -> blobs.remove(path);
                case Change.DeleteFolder(String path) ->
                        blobs.keySet().removeIf(name -> name.startsWith(path + "/"));
            }
        }
        // A fixed clock, so that commits have the same ids in every run.
        Instant time = Instant.parse("2026-01-01T00:00:00Z").plusSeconds(60 * commits++);
        String commit =
                git.writeCommit(
                        git.writeTree(blobs), parent.stream().toList(), time, author, message);
        git.setRef(ref, commit);
        return commit;
    }

    synchronized int nextPullRequest() {
        return ++pullRequests;
    }
}
