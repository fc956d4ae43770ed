package graft.convert.archive;

import graft.convert.plan.Workers;
import graft.formats.archive.Manifest;
import graft.formats.io.Sha256;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.file.FileVisitOption;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/**
 * The safetensors files of a base model.
 *
 * @param entries as the manifest names them
 * @param bytes their contents, mapped
 * @param tensors of each
 */
record Base(
        List<Manifest.Base> entries, List<MemorySegment> bytes, List<List<TensorRange>> tensors) {
    static final Base NONE = new Base(List.of(), List.of(), List.of());

    private static final int DEEPEST = 2;

    static Base open(Path path, String name, MappedFiles mapped, Workers workers)
            throws IOException {
        List<Path> files = files(path);
        List<Manifest.Base> entries =
                workers.map(
                        files,
                        file ->
                                new Manifest.Base(
                                        name,
                                        relative(path, file),
                                        Files.size(file),
                                        Sha256.of(file)));
        List<MemorySegment> bytes = new ArrayList<>();
        List<List<TensorRange>> tensors = new ArrayList<>();
        for (Path file : files) {
            bytes.add(mapped.map(file));
            tensors.add(TensorRange.ofSafetensors(file));
        }
        return new Base(entries, bytes, tensors);
    }

    /** The safetensors files at a path, in order of name. */
    static List<Path> files(Path path) throws IOException {
        if (!Files.isDirectory(path)) {
            return List.of(path);
        }
        try (var walk = Files.walk(path, DEEPEST, FileVisitOption.FOLLOW_LINKS)) {
            List<Path> files =
                    walk.filter(file -> file.toString().endsWith(".safetensors"))
                            .filter(Files::isRegularFile)
                            .sorted()
                            .toList();
            if (files.isEmpty()) {
                throw new NoSuchFileException(
                        path.toString(), null, "holds no .safetensors file to serve as base");
            }
            return files;
        }
    }

    private static String relative(Path path, Path file) {
        return Files.isDirectory(path)
                ? path.relativize(file).toString().replace('\\', '/')
                : file.getFileName().toString();
    }
}
