package graft.convert.cli;

import graft.formats.FileSpot;
import graft.formats.archive.ArchiveFile;
import graft.formats.archive.ArchiveReader;
import graft.formats.archive.Manifest;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/** Prints what is in an archive, from its manifest alone. */
final class ArchiveListing {
    private ArchiveListing() {}

    static boolean isArchive(Path path) throws IOException {
        return Files.isRegularFile(path) && ArchiveReader.isAt(path);
    }

    static void print(Path path, String source, Printer printer) throws IOException {
        try (var archive = ArchiveReader.open(path)) {
            Manifest manifest = archive.manifest();
            long bytes = manifest.files().stream().mapToLong(ArchiveFile::bytes).sum();
            printer.human(
                    "%s: archive · %d files, %s in %s · read %s"
                            .formatted(
                                    source,
                                    manifest.files().size(),
                                    Sizes.decimal(bytes),
                                    Sizes.decimal(Files.size(path)),
                                    Sizes.decimal(archive.headerBytes())));
            for (Manifest.Base base : manifest.bases()) {
                printer.human(
                        "needs %s of %s, SHA-256 %s"
                                .formatted(
                                        FileSpot.quote(base.path()),
                                        FileSpot.quote(base.name()),
                                        base.sha256()));
            }
            manifest.origins()
                    .forEach((top, facts) ->
                            printer.human(
                                    "%s from %s"
                                            .formatted(
                                                    FileSpot.quote(top),
                                                    FileSpot.quote(facts.toString()))));
            for (ArchiveFile file : manifest.files()) {
                printer.human(
                        "  %9s %9s  %s"
                                .formatted(
                                        Sizes.decimal(file.bytes()),
                                        Sizes.decimal(file.stored()),
                                        file.path()));
            }
            Map<String, Object> document = new LinkedHashMap<>();
            document.put("source", source);
            document.put("kind", "archive");
            document.put("bytes", Files.size(path));
            document.put("bytesRead", archive.headerBytes());
            document.put("bases", manifest.bases().stream().map(Manifest.Base::sha256).toList());
            document.put("origins", manifest.origins());
            document.put("files", files(manifest.files()));
            printer.path(path);
            printer.document(() -> Json.object(document));
        }
    }

    /** Files as programs read them. */
    static List<Map<String, Object>> files(List<ArchiveFile> files) {
        List<Map<String, Object>> list = new ArrayList<>();
        for (ArchiveFile file : files) {
            Map<String, Object> entry = new LinkedHashMap<>();
            entry.put("path", file.path());
            entry.put("member", file.member());
            entry.put("storage", file.storage().name().toLowerCase(Locale.ROOT));
            entry.put("bytes", file.bytes());
            entry.put("stored", file.stored());
            entry.put("sha256", file.sha256());
            list.add(entry);
        }
        return list;
    }
}
