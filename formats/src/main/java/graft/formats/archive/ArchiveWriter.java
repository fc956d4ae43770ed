package graft.formats.archive;

import graft.formats.io.FileWrites;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.zip.CRC32C;

/**
 * Writes an archive: files in the planned order, each block by block. The manifest comes first in
 * the file and is known last, so room is kept for the longest it can be. Not thread-safe.
 */
public final class ArchiveWriter implements AutoCloseable {
    /** Stands for numbers that are not known yet: as long in decimal as any can be. */
    private static final long LONGEST_NUMBER = Long.MAX_VALUE / 2;

    /**
     * A file to write.
     *
     * @param storage form of its member
     * @param runs its bytes in order
     */
    public record Planned(String path, long bytes, ArchiveFile.Storage storage, List<Run> runs) {
        private ArchiveFile file(String sha256, long at, int gapCrc, BlockTable blocks) {
            return new ArchiveFile(path, bytes, sha256, storage, at, gapCrc, runs, blocks);
        }

        String member() {
            return path + storage.suffix();
        }
    }

    private final FileChannel channel;
    private final Map<String, Map<String, String>> origins;
    private final List<Manifest.Base> bases;
    private final List<Planned> planned;
    private final List<ArchiveFile> files = new ArrayList<>();
    private final byte[] head;
    private final int manifestBytes;

    /** Where the next byte goes. */
    private long at;

    /** Where the last member's data ended. */
    private long gapStart;

    private BlockTable blocks = new BlockTable(0);

    private ArchiveWriter(
            FileChannel channel,
            Map<String, Map<String, String>> origins,
            List<Manifest.Base> bases,
            List<Planned> planned)
            throws IOException {
        this.channel = channel;
        this.origins = origins;
        this.bases = bases;
        this.planned = planned;
        List<ArchiveFile> longest = new ArrayList<>();
        for (Planned file : planned) {
            var empty = new BlockTable(ArchiveFile.blocks(file.runs()));
            longest.add(file.file(ManifestWriter.NO_HASH, LONGEST_NUMBER, 0, empty));
        }
        this.manifestBytes =
                ManifestWriter.toBytes(new Manifest(0, 0, origins, bases, longest), 0).length;
        this.head = TarHeaders.of(Manifest.MEMBER, manifestBytes);
        this.gapStart = head.length + manifestBytes;
        this.at = gapStart;
    }

    /**
     * @param file does not exist yet
     * @param planned all files, in order; what they refer to comes before them
     */
    public static ArchiveWriter create(
            Path file,
            Map<String, Map<String, String>> origins,
            List<Manifest.Base> bases,
            List<Planned> planned)
            throws IOException {
        var channel =
                FileChannel.open(
                        file,
                        StandardOpenOption.CREATE_NEW,
                        StandardOpenOption.READ,
                        StandardOpenOption.WRITE);
        try {
            return new ArchiveWriter(channel, origins, bases, planned);
        } catch (Throwable e) {
            channel.close();
            throw e;
        }
    }

    /** Begins the next planned file. */
    public void begin() throws IOException {
        Planned file = planned.get(files.size());
        blocks = new BlockTable(ArchiveFile.blocks(file.runs()));
        at = gapStart + TarHeaders.padding(gapStart) + headerBytes(file);
    }

    /** The header's length if every block is as long as it can be: the size is not known yet. */
    private static int headerBytes(Planned file) throws IOException {
        long most = (long) ArchiveFile.blocks(file.runs()) * ArchiveLayout.MAX_STORED_BYTES;
        return TarHeaders.of(file.member(), most).length;
    }

    /** Appends a block of the file that was begun. */
    public void append(BlockCodec codec, byte[] stored, int length, int crc) throws IOException {
        blocks.add(codec, length, crc);
        write(stored, length, at);
        at += length;
    }

    /**
     * Ends the file, when all its blocks are there.
     *
     * @param sha256 of the file
     */
    public void end(String sha256) throws IOException {
        Planned file = planned.get(files.size());
        int room = headerBytes(file);
        long data = gapStart + TarHeaders.padding(gapStart) + room;
        byte[] header = TarHeaders.ofLength(file.member(), at - data, room);
        byte[] gap = new byte[(int) (data - gapStart)];
        System.arraycopy(header, 0, gap, gap.length - room, room);
        write(gap, gap.length, gapStart);
        files.add(file.file(sha256, data, crc(gap, gap.length), blocks));
        gapStart = at;
    }

    /** Writes manifest and copy; the archive is whole then. */
    public Manifest finish() throws IOException {
        if (files.size() != planned.size()) {
            throw new IllegalStateException(
                    "%d of %d files".formatted(files.size(), planned.size()));
        }
        byte[] header = TarHeaders.of(Manifest.COPY_MEMBER, manifestBytes);
        byte[] gap = new byte[TarHeaders.padding(gapStart) + header.length];
        System.arraycopy(header, 0, gap, gap.length - header.length, header.length);
        var manifest =
                new Manifest(crc(head, head.length), crc(gap, gap.length), origins, bases, files);
        byte[] json = ManifestWriter.toBytes(manifest, manifestBytes);
        write(head, head.length, 0);
        write(json, json.length, head.length);
        write(gap, gap.length, gapStart);
        at = gapStart + gap.length;
        write(json, json.length, at);
        at += json.length;
        byte[] end = new byte[TarHeaders.padding(at) + 2 * TarHeaders.RECORD];
        write(end, end.length, at);
        return manifest;
    }

    /** CRC-32C of bytes, as archives have it. */
    public static int crc(byte[] bytes, int length) {
        var crc = new CRC32C();
        crc.update(bytes, 0, length);
        return (int) crc.getValue();
    }

    private void write(byte[] bytes, int length, long position) throws IOException {
        FileWrites.fully(channel, ByteBuffer.wrap(bytes, 0, length), position);
    }

    @Override
    public void close() throws IOException {
        channel.close();
    }
}
