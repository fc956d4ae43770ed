package graft.convert.archive;

import graft.convert.ConversionException;
import graft.convert.plan.Inputs;
import graft.convert.plan.Workers;
import graft.formats.FormatException;
import graft.formats.archive.ArchiveFile;
import graft.formats.archive.ArchiveReader;
import graft.formats.archive.BlockEncoder;
import graft.formats.archive.Manifest;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.FileSystems;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.PathMatcher;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;

/**
 * Restores files from an archive, byte for byte and checked by hash, into a folder that appears
 * when all of it is there. Only plain files and folders are made, below that folder, with the
 * permissions that new files have. Stateless, safe from any thread.
 */
public final class UnpackArchive {
    /**
     * What was restored.
     *
     * @param files restored
     * @param bytes of them
     * @param failures what was left out when salvaging, a line each
     */
    public record Result(int files, long bytes, List<String> failures) {}

    /**
     * @throws FormatException if the archive, or a wanted file in it, is damaged
     * @throws ConversionException.BaseMismatch if a base is needed and not given
     * @throws ConversionException.NothingMatched if no file is wanted, or none can be salvaged
     * @throws ConversionException.OutputExists if the output is there and may not be replaced
     */
    public Result run(UnpackRequest request) throws IOException {
        BlockEncoder.loadAhead();
        try (var archive = ArchiveReader.open(request.archive());
                var mapped = new MappedFiles();
                var workers = new Workers(request.threads());
                var staged = Inputs.stage(request.output(), request.force())) {
            Manifest manifest = archive.manifest();
            List<Integer> wanted = wanted(request, manifest);
            long bytes = wanted.stream().mapToLong(i -> manifest.files().get(i).bytes()).sum();
            checkSpace(staged.path(), bytes);
            boolean needsBase = wanted.stream().anyMatch(manifest.needBase()::get);
            List<MemorySegment> bases =
                    needsBase
                            ? BaseFiles.find(
                                    request.source(), manifest, request.base(), mapped, workers)
                            : List.of();
            request.progress().phase("unpack %d files".formatted(wanted.size()), bytes);
            List<String> failures = new ArrayList<>();
            long done = 0;
            try (var blocks = new RestoredBlocks(archive, bases, workers, request.progress())) {
                for (int i : wanted) {
                    ArchiveFile file = manifest.files().get(i);
                    Path target = staged.path().resolve(file.path());
                    try {
                        restore(blocks, i, file, target);
                        done += file.bytes();
                    } catch (FormatException e) {
                        if (!request.salvage()) {
                            throw e;
                        }
                        Files.deleteIfExists(target);
                        failures.add(e.getMessage());
                    }
                }
            }
            if (request.salvage() && failures.size() == wanted.size()) {
                throw new ConversionException.NothingMatched(
                        "%s: none of %d files is intact: %s"
                                .formatted(request.source(), wanted.size(), failures.getFirst()),
                        "get the archive again from where it was kept");
            }
            staged.commit();
            return new Result(wanted.size() - failures.size(), done, failures);
        }
    }

    private static List<Integer> wanted(UnpackRequest request, Manifest manifest)
            throws IOException {
        List<PathMatcher> globs =
                request.members().stream()
                        .map(glob -> FileSystems.getDefault().getPathMatcher("glob:" + glob))
                        .toList();
        List<Integer> wanted = new ArrayList<>();
        for (int i = 0; i < manifest.files().size(); i++) {
            Path path = Path.of(manifest.files().get(i).path());
            if (globs.isEmpty()
                    || globs.stream()
                            .anyMatch(glob ->
                                    glob.matches(path) || glob.matches(path.getFileName()))) {
                wanted.add(i);
            }
        }
        if (wanted.isEmpty()) {
            throw new ConversionException.NothingMatched(
                    "%s: none of %d files matches %s"
                            .formatted(
                                    request.source(), manifest.files().size(), request.members()),
                    "graft inspect lists what is in it; ** in a pattern crosses folders");
        }
        return wanted;
    }

    /** A small archive may ask for much: better refused than a full disk. */
    private static void checkSpace(Path folder, long bytes) throws IOException {
        long usable = Files.getFileStore(folder).getUsableSpace();
        if (bytes < 0 || bytes > usable) {
            throw new IOException(
                    "%s: needs %d bytes, the disk has %d left".formatted(folder, bytes, usable));
        }
    }

    private static void restore(RestoredBlocks blocks, int number, ArchiveFile file, Path target)
            throws IOException {
        Files.createDirectories(target.getParent());
        try (var channel =
                FileChannel.open(target, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE)) {
            blocks.restore(
                    number,
                    (bytes, length) -> {
                        ByteBuffer buffer = ByteBuffer.wrap(bytes, 0, length);
                        while (buffer.hasRemaining()) {
                            channel.write(buffer);
                        }
                    });
        }
        if (file.bytes() != Files.size(target)) {
            throw new IOException("%s: was changed while it was written".formatted(target));
        }
    }
}
