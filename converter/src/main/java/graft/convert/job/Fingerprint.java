package graft.convert.job;

import graft.formats.io.Sha256;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/**
 * Whether a run that was killed had the same in mind: options, and name, size and time of every
 * file of the sources. Contents are not hashed, which would take as long as the work.
 */
final class Fingerprint {
    private Fingerprint() {}

    static String of(ConvertRequest request) throws IOException {
        List<String> lines = new ArrayList<>();
        lines.add("3"); // raise when the files in the folder change their meaning
        lines.add(ConvertModels.words(request).toString());
        lines.add(request.merge().patterns().toString()); // in their order: the first match counts
        lines.add(request.sparsify().overrides().toString());
        lines.add(request.graph().map(Path::toString).orElse(""));
        add(lines, request.base());
        for (ConvertRequest.Source source : request.sources()) {
            add(lines, source.path());
        }
        byte[] text = String.join("\n", lines).getBytes(StandardCharsets.UTF_8);
        return Sha256.of(MemorySegment.ofArray(text));
    }

    private static void add(List<String> lines, Path path) throws IOException {
        List<Path> files = List.of(path);
        if (Files.isDirectory(path)) {
            try (var entries = Files.list(path)) {
                files = entries.filter(Files::isRegularFile).sorted().toList();
            }
        }
        for (Path file : files) {
            lines.add(
                    "%s %d %d"
                            .formatted(
                                    file.toAbsolutePath(),
                                    Files.size(file),
                                    Files.getLastModifiedTime(file).toMillis()));
        }
    }
}
