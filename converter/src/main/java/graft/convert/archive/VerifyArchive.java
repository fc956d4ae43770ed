package graft.convert.archive;

import graft.convert.plan.Progress;
import graft.convert.plan.Workers;
import graft.formats.FormatException;
import graft.formats.archive.ArchiveFile;
import graft.formats.archive.ArchiveReader;
import graft.formats.archive.BlockEncoder;
import graft.formats.archive.Manifest;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.List;
import java.util.Optional;

/**
 * Checks every byte of an archive without unpacking it: headers, manifests, checksums of blocks,
 * and each file, restored in memory, against its hash. Stateless, safe from any thread.
 */
public final class VerifyArchive {
    /**
     * What was found.
     *
     * @param files that were checked
     * @param needBase of them, that were checked as stored only, since their base was not given
     * @param failures a line each; empty if all is well
     */
    public record Result(int files, int needBase, List<String> failures) {}

    /**
     * @param base of the archive, if it has one; without it such files are not restored
     * @throws FormatException if there is no intact manifest to check by
     */
    public Result run(Path path, String source, Optional<Path> base, int threads, Progress progress)
            throws IOException {
        BlockEncoder.loadAhead();
        try (var archive = ArchiveReader.open(path);
                var mapped = new MappedFiles();
                var workers = new Workers(threads)) {
            Manifest manifest = archive.manifest();
            List<MemorySegment> bases =
                    base.isPresent() && !manifest.bases().isEmpty()
                            ? BaseFiles.find(source, manifest, base, mapped, workers)
                            : List.of();
            List<String> failures = new ArrayList<>();
            archive.structureProblems().forEach(line -> failures.add(source + ": " + line));
            int needBase = 0;
            BitSet needing = manifest.needBase();
            long bytes = manifest.files().stream().mapToLong(ArchiveFile::bytes).sum();
            progress.phase("verify %d files".formatted(manifest.files().size()), bytes);
            try (var blocks = new RestoredBlocks(archive, bases, workers, progress)) {
                for (int i = 0; i < manifest.files().size(); i++) {
                    try {
                        if (bases.isEmpty() && needing.get(i)) {
                            needBase++;
                            blocks.check(i);
                        } else {
                            blocks.restore(i, (_, _) -> {});
                        }
                    } catch (FormatException e) {
                        failures.add(e.getMessage());
                    }
                }
            }
            return new Result(manifest.files().size(), needBase, failures);
        }
    }
}
