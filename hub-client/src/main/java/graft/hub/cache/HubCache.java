package graft.hub.cache;

import graft.hub.HubFile;
import graft.hub.RepoRef;
import graft.hub.SafePath;
import graft.hub.Snapshot;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/** The cache below one folder. Safe from any thread and beside other processes. */
public final class HubCache {
    private static final String TAG =
            """
            Signature: 8a477f597d28d172789f06886806bc55
            # This file is a cache directory tag created by huggingface_hub.
            # For information about cache directory tags, see:
            #	https://bford.info/cachedir/
            """;

    private final Path root;
    private final FileLocks locks = new FileLocks();

    public HubCache(Path root) {
        this.root = root.toAbsolutePath().normalize();
    }

    /** The folder of the cache. */
    public Path root() {
        return root;
    }

    /** Locks of this process and, as far as the file system has them, between processes. */
    public FileLocks locks() {
        return locks;
    }

    /** Where things of {@code ref}'s repository lie. */
    public RepoFolder repo(RepoRef ref) {
        return RepoFolder.of(root, ref);
    }

    /** The commit that the revision of {@code ref} had when somebody last asked the Hub. */
    public Optional<String> commit(RepoRef ref) throws IOException {
        RepoFolder repo = repo(ref);
        String revision = ref.revisionOrMain();
        if (RepoFolder.isCommit(revision)) {
            return Optional.of(revision);
        }
        return commit(repo.ref(revision));
    }

    /** The commit that the file of a reference holds; empty if there is none. */
    static Optional<String> commit(Path ref) throws IOException {
        if (!Files.isRegularFile(ref) || Files.size(ref) > 256) {
            return Optional.empty();
        }
        return Optional.of(Files.readString(ref).strip()).filter(RepoFolder::isCommit);
    }

    /** What the cache knows of {@code ref}, without the network; empty if nothing. */
    public Optional<Snapshot> snapshot(RepoRef ref) throws IOException {
        Optional<String> commit = commit(ref);
        if (commit.isEmpty()) {
            return Optional.empty();
        }
        Path folder = repo(ref).snapshot(commit.get());
        Optional<List<HubFile>> tree = tree(ref, commit.get());
        if (tree.isEmpty() && !Files.isDirectory(folder)) {
            return Optional.empty();
        }
        List<HubFile> files = tree.isPresent() ? tree.get() : filesBelow(folder);
        return Optional.of(new Snapshot(ref, commit.get(), files, tree.isPresent()));
    }

    /** The list of a commit's files, if somebody stored it. */
    public Optional<List<HubFile>> tree(RepoRef ref, String commit) throws IOException {
        return Tree.read(repo(ref).tree(commit));
    }

    /** Stores which commit the revision has, and the list of its files. */
    public void remember(Snapshot snapshot) throws IOException {
        prepare();
        RepoFolder repo = repo(snapshot.ref());
        if (snapshot.complete()) {
            Path tree = repo.tree(snapshot.commit());
            if (!Files.exists(tree)) {
                Publish.text(tree, Tree.json(snapshot.files()));
            }
        }
        String revision = snapshot.ref().revisionOrMain();
        if (!RepoFolder.isCommit(revision)) {
            Publish.text(repo.ref(revision), snapshot.commit());
        }
    }

    /**
     * Stores that a commit has no file {@code path}, so that huggingface_hub does not ask again.
     */
    public void rememberAbsent(Snapshot snapshot, String path) throws IOException {
        if (SafePath.problem(path).isEmpty()) {
            prepare();
            Publish.empty(repo(snapshot.ref()).noExist(snapshot.commit(), path));
        }
    }

    /** Creates the folder, with the tag that keeps backups out. */
    void prepare() throws IOException {
        Files.createDirectories(root);
        Path tag = root.resolve("CACHEDIR.TAG");
        if (!Files.exists(tag)) {
            Publish.text(tag, TAG);
        }
    }

    private static List<HubFile> filesBelow(Path folder) throws IOException {
        List<HubFile> files = new ArrayList<>();
        try (var entries = Files.walk(folder)) {
            for (Path entry : (Iterable<Path>) entries.filter(Files::isRegularFile)::iterator) {
                String path = folder.relativize(entry).toString().replace('\\', '/');
                if (SafePath.problem(path).isEmpty()) {
                    files.add(found(entry, path));
                }
            }
        }
        files.sort(java.util.Comparator.comparing(HubFile::path));
        return files;
    }

    /** A link tells the ETag by its target's name. */
    private static HubFile found(Path entry, String path) throws IOException {
        String etag =
                Files.isSymbolicLink(entry)
                        ? Files.readSymbolicLink(entry).getFileName().toString()
                        : "";
        boolean known = RepoFolder.isEtag(etag);
        return new HubFile(
                path,
                Files.size(entry),
                Optional.of(etag).filter(e -> known && e.length() == 40),
                Optional.of(etag).filter(e -> known && e.length() == 64),
                Optional.empty());
    }
}
