package graft.formats.archive;

import graft.formats.FileSpot;
import graft.formats.LimitExceededException;
import graft.formats.MalformedFileException;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * An open archive. Opening reads the manifest alone, the copy of it at the end if the first is
 * damaged. Safe from any thread; blocks are read through a {@link BlockReader} per thread.
 */
public final class ArchiveReader implements AutoCloseable {
    private static final int RECORD = TarHeaders.RECORD;
    private static final String HELP =
            "graft unpack --salvage restores every file that is still intact";

    private final Path path;
    private final FileChannel channel;
    private final byte[] manifestBytes;
    private final boolean first;
    private final Manifest manifest;
    private final BlockIndex[] indexes;

    private ArchiveReader(
            Path path,
            FileChannel channel,
            byte[] manifestBytes,
            boolean first,
            Manifest manifest) {
        this.path = path;
        this.channel = channel;
        this.manifestBytes = manifestBytes;
        this.first = first;
        this.manifest = manifest;
        this.indexes = new BlockIndex[manifest.files().size()];
        Arrays.setAll(indexes, i -> new BlockIndex(manifest.files().get(i)));
    }

    /** Whether a file begins as archives do. */
    public static boolean isAt(Path path) throws IOException {
        try (var channel = FileChannel.open(path)) {
            return isHeader(read(channel, 0, RECORD), Manifest.MEMBER);
        }
    }

    /**
     * @throws MalformedFileException if neither manifest is intact, or what it says cannot be
     */
    public static ArchiveReader open(Path path) throws IOException {
        var channel = FileChannel.open(path);
        try {
            byte[] bytes = manifestAfter(channel, 0, Manifest.MEMBER);
            boolean first = ManifestReader.isIntact(bytes);
            if (!first) {
                bytes = copy(channel);
                if (bytes.length == 0) {
                    throw new MalformedFileException(
                            FileSpot.of(path),
                            "has no intact manifest, neither at the start nor at the end",
                            "if it is an archive of Graft, tar still extracts its plain members");
                }
            }
            Manifest manifest = ManifestReader.read(FileSpot.of(path), bytes);
            return new ArchiveReader(path, channel, bytes, first, manifest);
        } catch (Throwable e) {
            channel.close();
            throw e;
        }
    }

    private static boolean isHeader(byte[] header, String name) {
        byte[] start = (name + "\0").getBytes(StandardCharsets.US_ASCII);
        return header.length == RECORD
                && Arrays.equals(header, 0, start.length, start, 0, start.length);
    }

    /** The data behind the tar header at {@code at}; empty if there is none of that name. */
    private static byte[] manifestAfter(FileChannel channel, long at, String name)
            throws IOException {
        byte[] header = read(channel, at, RECORD);
        if (!isHeader(header, name)) {
            return new byte[0];
        }
        String size = new String(header, 124, 11, StandardCharsets.US_ASCII);
        if (!size.matches("[0-7]{11}")) {
            return new byte[0];
        }
        long bytes = Long.parseLong(size, 8);
        if (bytes > ManifestReader.MAX_BYTES) {
            throw new LimitExceededException(
                    FileSpot.of(name),
                    "a manifest of %d bytes, limit %d".formatted(bytes, ManifestReader.MAX_BYTES));
        }
        return read(channel, at + RECORD, (int) bytes);
    }

    /** The last intact copy of the manifest; empty if there is none. */
    private static byte[] copy(FileChannel channel) throws IOException {
        long end = channel.size() / RECORD * RECORD;
        long least = Math.max(0, end - ManifestReader.MAX_BYTES - 8 * RECORD);
        int step = 1 << 16;
        for (long at = end - step; at > least - step; at -= step) {
            long from = Math.max(at, least);
            byte[] records = read(channel, from, (int) (at + step - from));
            for (int i = records.length - RECORD; i >= 0; i -= RECORD) {
                byte[] header = Arrays.copyOfRange(records, i, i + RECORD);
                if (isHeader(header, Manifest.COPY_MEMBER)) {
                    byte[] bytes = manifestAfter(channel, from + i, Manifest.COPY_MEMBER);
                    if (ManifestReader.isIntact(bytes)) {
                        return bytes;
                    }
                }
            }
        }
        return new byte[0];
    }

    /** What it was opened from. */
    public Path path() {
        return path;
    }

    public Manifest manifest() {
        return manifest;
    }

    /** Bytes that opening read, nearly. */
    public long headerBytes() {
        return manifestBytes.length;
    }

    BlockIndex index(int file) {
        return indexes[file];
    }

    /** A reader of blocks for one thread. */
    public BlockReader blocks(List<MemorySegment> bases) {
        return new BlockReader(this, bases);
    }

    /**
     * What is wrong with everything that is no file's data: headers, padding, both manifests, the
     * end. A line each.
     */
    public List<String> structureProblems() throws IOException {
        List<String> problems = new ArrayList<>();
        if (!first) {
            problems.add("the manifest at the start is damaged; the copy at the end was read");
        }
        byte[] head = TarHeaders.of(Manifest.MEMBER, manifestBytes.length);
        long end = head.length;
        check(0, end, manifest.headCrc(), "the first header", problems);
        if (first && !Arrays.equals(read(channel, end, manifestBytes.length), manifestBytes)) {
            problems.add("the manifest at the start changed while it was read");
        }
        end += manifestBytes.length;
        for (ArchiveFile file : manifest.files()) {
            String what = "the header of " + FileSpot.quote(file.member());
            check(end, file.at(), file.gapCrc(), what, problems);
            end = file.at() + file.stored();
        }
        long copy =
                end
                        + TarHeaders.padding(end)
                        + TarHeaders.of(Manifest.COPY_MEMBER, manifestBytes.length).length;
        check(end, copy, manifest.tailCrc(), "the header of the manifest's copy", problems);
        if (!Arrays.equals(read(channel, copy, manifestBytes.length), manifestBytes)) {
            problems.add("the copy of the manifest is damaged");
        }
        end = copy + manifestBytes.length;
        byte[] zeros = new byte[TarHeaders.padding(end) + 2 * RECORD];
        if (!Arrays.equals(read(channel, end, zeros.length), zeros)
                || channel.size() != end + zeros.length) {
            problems.add(
                    "ends at byte %d and not at %d, or not in zeros"
                            .formatted(channel.size(), end + zeros.length));
        }
        return problems;
    }

    private void check(long from, long to, int crc, String what, List<String> problems)
            throws IOException {
        long length = to - from;
        if (length < 0 || length > 1 << 24) {
            problems.add("%s at byte %d is not where it belongs".formatted(what, from));
            return;
        }
        byte[] bytes = read(channel, from, (int) length);
        if (bytes.length != length || ArchiveWriter.crc(bytes, bytes.length) != crc) {
            problems.add("%s at byte %d is damaged".formatted(what, from));
        }
    }

    /** Reads what is stored of a block and checks it. */
    int stored(int file, int block, byte[] into) throws IOException {
        ArchiveFile entry = manifest.files().get(file);
        int length = entry.blocks().stored(block);
        long position = indexes[file].position(block);
        int got = read(channel, position, into, length);
        if (got < length) {
            throw problem(file, block, "lies beyond the end of the archive; it is cut short");
        }
        if (ArchiveWriter.crc(into, length) != entry.blocks().crc(block)) {
            throw problem(file, block, "does not match its checksum");
        }
        return length;
    }

    MalformedFileException problem(int file, int block, String problem) {
        ArchiveFile entry = manifest.files().get(file);
        BlockIndex index = indexes[file];
        return new MalformedFileException(
                FileSpot.of(path.toString(), index.position(block)),
                "file %s, bytes %d to %d: block %s"
                        .formatted(
                                FileSpot.quote(entry.path()),
                                index.offset(block),
                                index.offset(block) + index.length(block),
                                problem),
                HELP);
    }

    private static byte[] read(FileChannel channel, long at, int length) throws IOException {
        byte[] bytes = new byte[(int) Math.clamp(channel.size() - at, 0, length)];
        return Arrays.copyOf(bytes, read(channel, at, bytes, bytes.length));
    }

    private static int read(FileChannel channel, long at, byte[] into, int length)
            throws IOException {
        ByteBuffer buffer = ByteBuffer.wrap(into, 0, length);
        while (buffer.hasRemaining() && channel.read(buffer, at + buffer.position()) >= 0) {
            // goes on where it stopped
        }
        return buffer.position();
    }

    @Override
    public void close() throws IOException {
        channel.close();
    }
}
