package graft.convert.archive;

import graft.convert.ConversionException;
import graft.convert.plan.Workers;
import graft.formats.archive.ArchiveLayout;
import graft.formats.archive.ArchiveWriter;
import graft.formats.archive.BlockCodec;
import graft.formats.archive.BlockEncoder;
import graft.formats.archive.Manifest;
import graft.formats.archive.Run;
import graft.formats.io.Sha256;
import graft.formats.io.StagedOutput;

import org.jspecify.annotations.Nullable;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.util.ArrayList;
import java.util.List;

/**
 * Packs files into one archive, which restores them byte for byte. Blocks are coded on all workers
 * and written in order, so the archive's bytes do not depend on their number. Stateless, safe from
 * any thread.
 */
public final class PackFiles {
    /** Of text up to a few blocks, where it costs nothing, and of more. */
    private static final int SMALL_LEVEL = 12;

    private static final int LARGE_LEVEL = 3;
    private static final long LARGE_BYTES = 8 << 20;

    /**
     * What was packed.
     *
     * @param manifest of the archive; without places and hashes after a dry run
     * @param bytesIn of all files
     * @param bytesOut of the archive; 0 after a dry run
     * @param warnings a line each
     */
    public record Result(Manifest manifest, long bytesIn, long bytesOut, List<String> warnings) {}

    /**
     * @throws ConversionException.OutputExists if the output is there and may not be replaced
     * @throws ConversionException.NothingMatched if there is no file to pack
     */
    public Result run(PackRequest request) throws IOException {
        BlockEncoder.loadAhead();
        Sources sources = Sources.of(request.sources());
        try (var mapped = new MappedFiles();
                var workers = new Workers(request.threads());
                var staged = stage(request)) {
            Base base =
                    request.base().isPresent()
                            ? Base.open(request.base().get(), request.baseName(), mapped, workers)
                            : Base.NONE;
            PackPlan plan = PackPlan.of(sources.files(), base, mapped);
            List<String> warnings = new ArrayList<>(sources.warnings());
            warnings.addAll(plan.warnings());
            long bytes = plan.files().stream().mapToLong(file -> file.bytes().byteSize()).sum();
            if (request.dryRun()) {
                var empty = new Manifest(0, 0, sources.origins(), base.entries(), List.of());
                return new Result(empty, bytes, 0, warnings);
            }
            request.progress().phase("pack %d files".formatted(plan.files().size()), bytes);
            Manifest manifest;
            try (var writer =
                            ArchiveWriter.create(
                                    staged.path(),
                                    sources.origins(),
                                    base.entries(),
                                    plan.planned());
                    var blocks = new OrderedBlocks<>(workers, PackSlot::new)) {
                for (int i = 0; i < plan.files().size(); i++) {
                    pack(request, plan, i, blocks, writer);
                }
                manifest = writer.finish();
            }
            long size = Files.size(staged.path());
            staged.commit();
            return new Result(manifest, bytes, size, warnings);
        }
    }

    private static StagedOutput stage(PackRequest request) throws IOException {
        try {
            return StagedOutput.file(request.output(), request.force());
        } catch (FileAlreadyExistsException e) {
            throw new ConversionException.OutputExists(request.output().toString());
        }
    }

    private static void pack(
            PackRequest request,
            PackPlan plan,
            int number,
            OrderedBlocks<PackSlot> blocks,
            ArchiveWriter writer)
            throws IOException {
        ArchiveWriter.Planned file = plan.planned().get(number);
        List<Piece> pieces = Piece.of(file.runs());
        int level = file.bytes() > LARGE_BYTES ? LARGE_LEVEL : SMALL_LEVEL;
        var hash = new Sha256.Running();
        writer.begin();
        try (var windows = FileWindows.open(plan.files().get(number).file(), pieces)) {
            blocks.run(
                    pieces.size(),
                    (block, slot) ->
                            slot.encode(pieces.get(block), windows.of(block), plan, file, level),
                    List.of(
                            (_, slot) ->
                                    writer.append(
                                            slot.codec,
                                            slot.encoder.bytes(),
                                            slot.encoder.length(),
                                            slot.crc),
                            (block, slot) -> {
                                hash.add(slot.raw, slot.length);
                                windows.done(block);
                                request.progress().advance(slot.length);
                            }));
        }
        writer.end(hash.end());
    }

    /** A block to code: where it lies in the file and in its run. */
    record Piece(Run run, long offset, long inRun, int length) {
        static List<Piece> of(List<Run> runs) {
            List<Piece> pieces = new ArrayList<>();
            long start = 0;
            for (Run run : runs) {
                for (long at = 0; at < run.bytes(); at += ArchiveLayout.BLOCK_BYTES) {
                    long length = Math.min(ArchiveLayout.BLOCK_BYTES, run.bytes() - at);
                    pieces.add(new Piece(run, start + at, at, (int) length));
                }
                start += run.bytes();
            }
            return pieces;
        }
    }

    /** Buffers of one block in flight. */
    private static final class PackSlot implements AutoCloseable {
        private final byte[] raw = new byte[ArchiveLayout.BLOCK_BYTES];
        private byte[] reference = {};
        private final BlockEncoder encoder = new BlockEncoder();
        private BlockCodec codec = BlockCodec.RAW;
        private int length;
        private int crc;

        void encode(
                Piece piece,
                MemorySegment bytes,
                PackPlan plan,
                ArchiveWriter.Planned planned,
                int level) {
            Run run = piece.run();
            length = piece.length();
            MemorySegment.copy(bytes, 0, MemorySegment.ofArray(raw), 0, length);
            byte @Nullable [] similar = null;
            if (run.source() != Run.NONE) {
                if (reference.length == 0) {
                    reference = new byte[ArchiveLayout.BLOCK_BYTES];
                }
                similar = reference;
                MemorySegment source = plan.source(run.source());
                long from = run.offset() + piece.inRun();
                MemorySegment.copy(source, from, MemorySegment.ofArray(similar), 0, length);
            }
            codec =
                    switch (planned.storage()) {
                        case PLAIN -> encoder.keep(raw, length);
                        case ZSTD -> encoder.encodeStandard(raw, length, level);
                        case CODED -> encoder.encode(raw, length, run.type(), similar, level);
                    };
            crc = ArchiveWriter.crc(encoder.bytes(), encoder.length());
        }

        @Override
        public void close() {
            encoder.close();
        }
    }
}
