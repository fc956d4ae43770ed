package graft.convert.archive;

import graft.convert.plan.Progress;
import graft.convert.plan.Workers;
import graft.formats.FileSpot;
import graft.formats.MalformedFileException;
import graft.formats.archive.ArchiveFile;
import graft.formats.archive.ArchiveLayout;
import graft.formats.archive.ArchiveReader;
import graft.formats.archive.BlockReader;
import graft.formats.io.Sha256;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.util.List;

/** Restores the files of an archive on all workers, checking each against its hash. */
final class RestoredBlocks implements AutoCloseable {
    /** Takes the blocks in order; called by one worker at a time. */
    @FunctionalInterface
    interface Sink {
        void write(byte[] bytes, int length) throws IOException;
    }

    private static final class Slot implements AutoCloseable {
        final byte[] raw = new byte[ArchiveLayout.BLOCK_BYTES];
        final BlockReader reader;
        int length;

        Slot(BlockReader reader) {
            this.reader = reader;
        }

        @Override
        public void close() {
            reader.close();
        }
    }

    private final ArchiveReader archive;
    private final Progress progress;
    private final OrderedBlocks<Slot> blocks;

    RestoredBlocks(
            ArchiveReader archive, List<MemorySegment> bases, Workers workers, Progress progress) {
        this.archive = archive;
        this.progress = progress;
        this.blocks = new OrderedBlocks<>(workers, () -> new Slot(archive.blocks(bases)));
    }

    /**
     * Restores a file.
     *
     * @throws MalformedFileException if it is damaged
     */
    void restore(int file, Sink sink) throws IOException {
        ArchiveFile entry = archive.manifest().files().get(file);
        var hash = new Sha256.Running();
        blocks.run(
                entry.blocks().size(),
                (block, slot) -> slot.length = slot.reader.read(file, block, slot.raw),
                List.of(
                        (_, slot) -> sink.write(slot.raw, slot.length),
                        (_, slot) -> {
                            hash.add(slot.raw, slot.length);
                            progress.advance(slot.length);
                        }));
        if (!hash.end().equals(entry.sha256())) {
            throw new MalformedFileException(
                    FileSpot.of(archive.path()),
                    "file %s: what was restored has another SHA-256 than what was packed"
                            .formatted(FileSpot.quote(entry.path())));
        }
    }

    /** Checks what is stored of a file, without the base that restoring it would need. */
    void check(int file) throws IOException {
        blocks.run(
                archive.manifest().files().get(file).blocks().size(),
                (block, slot) -> slot.reader.check(file, block),
                List.of((_, _) -> progress.advance(ArchiveLayout.BLOCK_BYTES)));
    }

    @Override
    public void close() {
        blocks.close();
    }
}
