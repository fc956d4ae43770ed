package graft.formats.archive;

import org.jspecify.annotations.Nullable;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;

/** Restores blocks of an open archive. Holds buffers of some megabytes; one instance per thread. */
public final class BlockReader implements AutoCloseable {
    private static final int NONE = -1;

    private final ArchiveReader archive;
    private final Manifest manifest;
    private final List<MemorySegment> bases;
    private final BlockDecoder decoder = new BlockDecoder();
    private final List<Buffers> buffers = new ArrayList<>();

    /** Bytes that may still be restored for the block that was asked for. */
    private long left;

    /** What one link of a chain of references needs. */
    private static final class Buffers {
        final byte[] stored = new byte[ArchiveLayout.MAX_STORED_BYTES + BitWriter.SLACK_BYTES];

        /** Empty until they are needed. */
        byte[] reference = {};

        byte[] whole = {};

        /** The block that {@link #whole} holds, and the file it is of. */
        int block = NONE;

        int file;

        byte[] reference() {
            if (reference.length == 0) {
                reference = new byte[ArchiveLayout.BLOCK_BYTES];
            }
            return reference;
        }
    }

    BlockReader(ArchiveReader archive, List<MemorySegment> bases) {
        this.archive = archive;
        this.manifest = archive.manifest();
        this.bases = bases;
    }

    /** How many blocks a file has. */
    public int count(int file) {
        return manifest.files().get(file).blocks().size();
    }

    /** First byte of a block in its file. */
    public long offset(int file, int block) {
        return archive.index(file).offset(block);
    }

    /** Checks what is stored of a block without restoring it. */
    public void check(int file, int block) throws IOException {
        archive.stored(file, block, buffers(0).stored);
    }

    /**
     * Restores a block.
     *
     * @param into at least {@link ArchiveLayout#BLOCK_BYTES} long
     * @return how many bytes it has
     * @throws graft.formats.MalformedFileException if the block, or one it refers to, is damaged
     */
    public int read(int file, int block, byte[] into) throws IOException {
        return read(file, block, into, 0);
    }

    private int read(int file, int block, byte[] into, int depth) throws IOException {
        if (depth == 0) {
            left = Manifest.MAX_REACH_BYTES;
            // or it would depend on what was read before whether a block is refused
            buffers.forEach(each -> each.block = NONE);
        }
        ArchiveFile entry = manifest.files().get(file);
        BlockIndex index = archive.index(file);
        BlockCodec codec = entry.blocks().codec(block);
        Run run = entry.runs().get(index.run(block));
        int length = index.length(block);
        left -= length + Manifest.BLOCK_REACH_BYTES;
        if (left < 0) {
            throw archive.problem(file, block, "is one of too many that one block refers to");
        }
        byte @Nullable [] reference = null;
        if (codec.needsReference() && run.source() != Run.NONE) {
            if (depth == Manifest.MAX_DEPTH) {
                throw archive.problem(file, block, "refers to a chain of blocks that is too long");
            }
            reference = buffers(depth).reference();
            long from = run.offset() + index.offsetInRun(block);
            if (run.source() >= manifest.bases().size()) {
                int other = run.source() - manifest.bases().size();
                read(other, from, reference, length, depth + 1);
            } else if (run.source() < bases.size()) {
                MemorySegment base = bases.get(run.source());
                MemorySegment.copy(base, from, MemorySegment.ofArray(reference), 0, length);
            } else {
                reference = null;
            }
        }
        byte[] stored = buffers(depth).stored;
        int bytes = archive.stored(file, block, stored);
        try {
            decoder.decode(codec, stored, bytes, run.type(), reference, into, length);
        } catch (CorruptBlockException e) {
            throw archive.problem(file, block, e.problem());
        }
        return length;
    }

    /**
     * Restores any bytes of a file, such as one tensor; {@code into} is filled from 0.
     *
     * @throws graft.formats.MalformedFileException if a block that is needed is damaged
     */
    public void read(int file, long offset, byte[] into, int length) throws IOException {
        read(file, offset, into, length, 0);
    }

    private void read(int file, long offset, byte[] into, int length, int depth)
            throws IOException {
        BlockIndex index = archive.index(file);
        Buffers own = buffers(depth);
        if (own.whole.length == 0) {
            own.whole = new byte[ArchiveLayout.BLOCK_BYTES];
        }
        int done = 0;
        while (done < length) {
            int block = index.find(offset + done);
            if (own.block != block || own.file != file) {
                own.block = NONE; // until it is whole
                read(file, block, own.whole, depth);
                own.block = block;
                own.file = file;
            }
            int skip = (int) (offset + done - index.offset(block));
            int count = Math.min(index.length(block) - skip, length - done);
            System.arraycopy(own.whole, skip, into, done, count);
            done += count;
        }
    }

    private Buffers buffers(int depth) {
        while (buffers.size() <= depth) {
            buffers.add(new Buffers());
        }
        return buffers.get(depth);
    }

    @Override
    public void close() {
        decoder.close();
    }
}
