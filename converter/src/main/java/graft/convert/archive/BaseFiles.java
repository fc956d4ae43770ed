package graft.convert.archive;

import graft.convert.ConversionException;
import graft.convert.plan.Workers;
import graft.formats.FileSpot;
import graft.formats.archive.Manifest;
import graft.formats.io.Sha256;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/** Finds the files that an archive relies on, by their hashes. */
final class BaseFiles {
    private BaseFiles() {}

    /**
     * @throws ConversionException.BaseMismatch if there is no base, or it is another one
     */
    static List<MemorySegment> find(
            String archive,
            Manifest manifest,
            Optional<Path> base,
            MappedFiles mapped,
            Workers workers)
            throws IOException {
        String name = manifest.bases().getFirst().name();
        if (base.isEmpty()) {
            throw new ConversionException.BaseMismatch(
                    "%s holds what differs from a base, %s (%s), and cannot be read without it"
                            .formatted(archive, FileSpot.quote(name), hashes(manifest)),
                    "give that model with --base");
        }
        List<Path> files = Base.files(base.get());
        List<String> hashes =
                workers.map(
                        files, file -> isOfSize(file, manifest) ? Sha256.of(file) : "another size");
        List<MemorySegment> found = new ArrayList<>();
        for (Manifest.Base wanted : manifest.bases()) {
            int at = hashes.indexOf(wanted.sha256());
            if (at < 0) {
                throw new ConversionException.BaseMismatch(
                        "%s holds no file with the hash of %s, which %s was packed against"
                                .formatted(base.get(), FileSpot.quote(wanted.path()), archive),
                        "give that base: %s, SHA-256 %s"
                                .formatted(FileSpot.quote(name), wanted.sha256()));
            }
            found.add(mapped.map(files.get(at)));
        }
        return found;
    }

    private static boolean isOfSize(Path file, Manifest manifest) throws IOException {
        long size = Files.size(file);
        return manifest.bases().stream().anyMatch(wanted -> wanted.bytes() == size);
    }

    private static String hashes(Manifest manifest) {
        int more = manifest.bases().size() - 1;
        return "SHA-256 "
                + manifest.bases().getFirst().sha256()
                + (more > 0 ? " and %d more files".formatted(more) : "");
    }
}
