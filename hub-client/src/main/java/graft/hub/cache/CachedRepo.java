package graft.hub.cache;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.stream.Stream;

/**
 * What the cache has of one repository. A value: how it was when it was looked at.
 *
 * @param folder where it lies
 * @param revisions its snapshots, by commit
 * @param bytes on this disk, content that several snapshots share counted once
 */
public record CachedRepo(RepoFolder folder, List<Revision> revisions, long bytes) {
    /**
     * One snapshot.
     *
     * @param refs branches and tags that meant this commit when somebody last asked
     * @param files the files that are there
     * @param bytes of those files
     */
    public record Revision(String commit, List<String> refs, List<Path> files, long bytes) {}

    /** {@code org/name}, or {@code datasets/org/name} for what other tools have put there. */
    public String id() {
        return folder.repo();
    }

    /** Every repository below {@code cache}, by name. */
    public static List<CachedRepo> all(HubCache cache) throws IOException {
        List<CachedRepo> repos = new ArrayList<>();
        if (!Files.isDirectory(cache.root())) {
            return repos;
        }
        for (Path entry : sorted(cache.root())) {
            String name = entry.getFileName().toString();
            if (Files.isDirectory(entry) && name.matches("(models|datasets|spaces)--.+")) {
                repos.add(look(new RepoFolder(cache.root(), name)));
            }
        }
        return repos;
    }

    private static CachedRepo look(RepoFolder folder) throws IOException {
        Map<String, Set<String>> refs = refs(folder);
        List<Revision> revisions = new ArrayList<>();
        Set<Path> content = new HashSet<>(); // real places: links to one blob are one
        for (Path snapshot : sorted(folder.snapshots())) {
            String commit = snapshot.getFileName().toString();
            if (RepoFolder.isCommit(commit)) {
                List<Path> files = files(snapshot);
                long bytes = 0;
                for (Path file : files) {
                    bytes += Files.exists(file) ? Files.size(file) : 0;
                    content.add(Files.exists(file) ? file.toRealPath() : file);
                }
                List<String> names = List.copyOf(refs.getOrDefault(commit, Set.of()));
                revisions.add(new Revision(commit, names, files, bytes));
            }
        }
        for (Path blob : sorted(folder.blobs())) {
            if (Files.exists(blob)) {
                content.add(blob.toRealPath());
            }
        }
        long bytes = 0;
        for (Path place : content) {
            bytes += Files.exists(place) ? Files.size(place) : 0;
        }
        return new CachedRepo(folder, revisions, bytes);
    }

    private static Map<String, Set<String>> refs(RepoFolder folder) throws IOException {
        Map<String, Set<String>> refs = new TreeMap<>();
        for (Path file : files(folder.refs())) {
            String name = folder.refs().relativize(file).toString().replace('\\', '/');
            HubCache.commit(file)
                    .ifPresent(
                            commit -> refs.computeIfAbsent(commit, c -> new TreeSet<>()).add(name));
        }
        return refs;
    }

    /** Files and links below {@code root}, in name order; nothing if it is no folder. */
    static List<Path> files(Path root) throws IOException {
        if (!Files.isDirectory(root)) {
            return List.of();
        }
        try (Stream<Path> entries = Files.walk(root)) {
            return entries.filter(path -> Files.isSymbolicLink(path) || Files.isRegularFile(path))
                    .sorted()
                    .toList();
        }
    }

    /** Entries of a folder in name order; nothing if it is no folder. */
    static List<Path> sorted(Path folder) throws IOException {
        if (!Files.isDirectory(folder)) {
            return List.of();
        }
        try (Stream<Path> entries = Files.list(folder)) {
            return entries.sorted(Comparator.naturalOrder()).toList();
        }
    }
}
