package graft.convert.archive;

import graft.convert.ConversionException;
import graft.formats.FileSpot;
import graft.formats.archive.ArchivePath;

import java.io.IOException;
import java.nio.file.FileVisitOption;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.regex.Pattern;

/**
 * The files to pack by their paths in the archive, and what their folders tell of where they came
 * from. Links are followed, since the Hub's cache consists of them; what is neither file nor folder
 * is left out with a warning.
 *
 * @param files disk paths by archive path, in the order of the archive
 * @param origins facts by top folder
 * @param warnings a line each
 */
record Sources(
        Map<String, Path> files, Map<String, Map<String, String>> origins, List<String> warnings) {
    /** {@code models--org--name/snapshots/<commit>}: the Hub's cache. */
    private static final Pattern SNAPSHOT =
            Pattern.compile("models--(.+)[/\\\\]snapshots[/\\\\]([0-9a-f]{40})$");

    static Sources of(List<Path> paths) throws IOException {
        var sources = new Sources(new LinkedHashMap<>(), new TreeMap<>(), new ArrayList<>());
        Set<String> tops = new HashSet<>();
        for (Path path : paths) {
            sources.add(path.toAbsolutePath().normalize(), tops);
        }
        if (sources.files.isEmpty()) {
            throw new ConversionException.NothingMatched(
                    "no files in %s".formatted(paths), "give folders or files that exist");
        }
        var conflict = ArchivePath.conflict(sources.files.keySet());
        if (conflict.isPresent()) {
            throw new ConversionException.UnusableValues(
                    conflict.get() + ", apart from upper and lower case", "rename one of them");
        }
        return sources;
    }

    private void add(Path path, Set<String> tops) throws IOException {
        var snapshot = SNAPSHOT.matcher(path.toString());
        String name = path.getFileName() == null ? "root" : path.getFileName().toString();
        if (snapshot.find()) {
            String repo = snapshot.group(1).replace("--", "/");
            name = repo.substring(repo.indexOf('/') + 1);
        }
        String top = name;
        for (int i = 2; !tops.add(top); i++) {
            top = name + "-" + i;
        }
        if (!top.equals(name)) {
            warnings.add("%s is called %s: the name was taken".formatted(path, top));
        }
        if (snapshot.hasMatch()) {
            String repo = snapshot.group(1).replace("--", "/");
            origins.put(top, Map.of("repo", repo, "commit", snapshot.group(2)));
        }
        if (Files.isDirectory(path)) {
            folder(path, top);
        } else {
            put(top, path);
        }
    }

    private void folder(Path folder, String top) throws IOException {
        List<Path> found;
        try (var walk = Files.walk(folder, FileVisitOption.FOLLOW_LINKS)) {
            found = walk.filter(path -> !Files.isDirectory(path)).toList();
        }
        Map<String, Path> sorted = new TreeMap<>();
        for (Path path : found) {
            sorted.put(top + "/" + folder.relativize(path).toString().replace('\\', '/'), path);
        }
        for (var entry : sorted.entrySet()) {
            if (Files.isRegularFile(entry.getValue())) {
                put(entry.getKey(), entry.getValue());
            } else {
                warnings.add(entry.getValue() + ": is no file; left out");
            }
        }
    }

    private void put(String path, Path file) throws IOException {
        var problem = ArchivePath.problem(path);
        if (problem.isPresent()) {
            throw new ConversionException.UnusableValues(
                    "path %s %s".formatted(FileSpot.quote(path), problem.get()),
                    "rename it, or leave it out");
        }
        files.put(path, file);
    }
}
