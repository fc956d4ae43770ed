package graft.convert.archive;

import graft.convert.plan.Progress;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;

/** Packs and unpacks with few words. */
final class Archives {
    static final Path FAMILY = Path.of(System.getProperty("graft.testdata"), "families/mini");

    private Archives() {}

    static PackFiles.Result pack(Path output, int threads, Optional<Path> base, Path... sources)
            throws IOException {
        return new PackFiles()
                .run(
                        new PackRequest(
                                List.of(sources),
                                base,
                                "the base",
                                output,
                                false,
                                threads,
                                false,
                                Progress.NONE));
    }

    static UnpackArchive.Result unpack(
            Path archive, Path output, Optional<Path> base, boolean salvage, String... members)
            throws IOException {
        return new UnpackArchive()
                .run(
                        new UnpackRequest(
                                archive,
                                archive.getFileName().toString(),
                                base,
                                List.of(members),
                                output,
                                true,
                                salvage,
                                2,
                                Progress.NONE));
    }

    static VerifyArchive.Result verify(Path archive) throws IOException {
        return new VerifyArchive()
                .run(archive, archive.toString(), Optional.empty(), 2, Progress.NONE);
    }

    /** Contents of all files below a folder by path. */
    static Map<String, byte[]> contents(Path folder) throws IOException {
        Map<String, byte[]> contents = new TreeMap<>();
        try (var files = Files.walk(folder)) {
            files.filter(Files::isRegularFile)
                    .forEach(file -> {
                        try {
                            contents.put(
                                    folder.relativize(file).toString(), Files.readAllBytes(file));
                        } catch (IOException e) {
                            throw new UncheckedIOException(e);
                        }
                    });
        }
        return contents;
    }
}
