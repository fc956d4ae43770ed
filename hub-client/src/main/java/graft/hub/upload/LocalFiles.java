package graft.hub.upload;

import graft.hub.SafePath;
import graft.hub.UploadRequest;

import java.io.IOException;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;

/** The files of an upload, by name; the folders of git and of downloads stay at home. */
final class LocalFiles {
    private LocalFiles() {}

    static List<LocalFile> of(UploadRequest request) throws IOException {
        Path source = request.source();
        if (Files.isRegularFile(source)) {
            String name = String.valueOf(source.getFileName());
            return List.of(file(request, source, name));
        }
        if (!Files.isDirectory(source)) {
            throw new NoSuchFileException(source.toString(), null, "no such file or folder");
        }
        List<String> names = new ArrayList<>();
        List<LocalFile> files = new ArrayList<>();
        try (var entries = Files.walk(source)) {
            for (Path entry : (Iterable<Path>) entries.filter(Files::isRegularFile)::iterator) {
                String name = source.relativize(entry).toString().replace('\\', '/');
                if (!staysHome(name) && request.files().accepts(name)) {
                    names.add(name);
                    files.add(file(request, entry, name));
                }
            }
        }
        files.sort(Comparator.comparing(LocalFile::path));
        List<String> missing = request.files().unmatched(names);
        if (files.isEmpty() || !missing.isEmpty()) {
            throw new NoSuchFileException(
                    source.toString(),
                    null,
                    files.isEmpty()
                            ? "no file to upload"
                            : "no file matches '%s'".formatted(missing.getFirst()));
        }
        return files;
    }

    private static LocalFile file(UploadRequest request, Path source, String name)
            throws IOException {
        Optional<String> problem = SafePath.problem(name);
        if (problem.isPresent()) {
            throw new FileSystemException(
                    source.toString(), null, "cannot be uploaded: its name " + problem.get());
        }
        return new LocalFile(source, request.repo().inFolder(name), Files.size(source));
    }

    private static boolean staysHome(String name) {
        return name.equals(".git")
                || name.startsWith(".git/")
                || name.contains("/.git/")
                || name.startsWith(".cache/huggingface/")
                || name.endsWith(".DS_Store");
    }
}
