package graft.convert.remote;

import graft.formats.safetensors.SafetensorsReader;
import graft.formats.tensor.TensorInfo;
import graft.hub.HubClient;
import graft.hub.HubFile;
import graft.hub.RemoteFile;
import graft.hub.Snapshot;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Comparator;
import java.util.HashMap;
import java.util.Map;
import java.util.function.Predicate;
import java.util.stream.Stream;

/**
 * A remote model as a local folder of sparse files: every file of weights has its size, but only
 * its header has its bytes; configuration and index are whole. Whatever reads headers alone works
 * on it unchanged; tensor data reads as zeros until {@link #fill} fetches it.
 *
 * <p>Not for several threads. {@link #close} deletes the folder.
 */
public final class RemoteModel implements AutoCloseable {
    /** Enough for the headers of most files in one request. */
    private static final int FIRST_BYTES = 64 << 10;

    private static final int PREFIX_BYTES = 8;
    private static final int TILE_BYTES = 8 << 20;

    /** The longest header that safetensors readers accept. */
    private static final long MAX_HEADER_BYTES = 100_000_000;

    private static final int MAX_SMALL_BYTES = 256 << 20;

    private final Path folder;
    private final Path root;
    private final Map<String, RemoteFile> files = new HashMap<>();
    private long smallBytes;

    private RemoteModel(Path folder, Path root) {
        this.folder = folder;
        this.root = root;
    }

    /**
     * Fetches headers, and the files that say how the weights are laid out.
     *
     * @param chosen whose weights {@link ModelFiles#haveHeaders}
     */
    public static RemoteModel headers(HubClient hub, Snapshot snapshot, ModelFiles chosen)
            throws IOException {
        Path folder = Files.createTempDirectory("graft-remote");
        var model =
                new RemoteModel(
                        folder, chosen.root().isEmpty() ? folder : folder.resolve(chosen.root()));
        try {
            for (String path : chosen.layout()) {
                byte[] content = hub.read(snapshot, path, MAX_SMALL_BYTES);
                model.smallBytes += content.length;
                Path copy = model.create(path);
                Files.write(copy, content);
            }
            for (String path : chosen.weights()) {
                model.header(hub.open(snapshot, path));
            }
            return model;
        } catch (Throwable e) {
            model.close();
            throw e;
        }
    }

    /** What the reference names: a folder or a file. */
    public Path path() {
        return root;
    }

    /** Bytes of headers and small files that were read. */
    public long bytesRead() {
        return smallBytes + files.values().stream().mapToLong(RemoteFile::bytesRead).sum();
    }

    /** Bytes of the tensors that {@code wanted} names. */
    public long bytesOf(Predicate<String> wanted) throws IOException {
        long bytes = 0;
        for (String path : files.keySet()) {
            try (var reader = SafetensorsReader.open(folder.resolve(path))) {
                for (TensorInfo info : reader.tensors()) {
                    bytes += wanted.test(info.name()) ? info.bytes() : 0;
                }
            }
        }
        return bytes;
    }

    /**
     * Fetches the data of the tensors that {@code wanted} names, neighbours in one go. Ranges have
     * no hash to be checked against: do not keep what is made from them as a copy of the model.
     */
    public void fill(Predicate<String> wanted) throws IOException {
        for (var entry : files.entrySet()) {
            Path copy = folder.resolve(entry.getKey());
            try (var reader = SafetensorsReader.open(copy);
                    var channel = FileChannel.open(copy, StandardOpenOption.WRITE)) {
                long start = 0;
                long end = 0;
                for (TensorInfo info : reader.tensors()) { // in the order of their bytes
                    if (wanted.test(info.name())) {
                        long offset = reader.fileOffset(info.name());
                        if (offset != end) {
                            fill(entry.getValue(), channel, start, end);
                            start = offset;
                        }
                        end = offset + info.bytes();
                    }
                }
                fill(entry.getValue(), channel, start, end);
            }
        }
    }

    private static void fill(RemoteFile file, FileChannel channel, long start, long end)
            throws IOException {
        for (long at = start; at < end; at += TILE_BYTES) {
            ByteBuffer tile = ByteBuffer.allocate((int) Math.min(TILE_BYTES, end - at));
            file.read(at, tile);
            write(channel, tile.flip(), at);
        }
    }

    private void header(RemoteFile file) throws IOException {
        HubFile facts = file.file();
        files.put(facts.path(), file);
        long size = facts.bytes();
        ByteBuffer first = ByteBuffer.allocate((int) Math.min(size, FIRST_BYTES));
        file.read(0, first);
        first.flip().order(ByteOrder.LITTLE_ENDIAN);
        try (var channel =
                FileChannel.open(
                        create(facts.path()),
                        StandardOpenOption.CREATE_NEW,
                        StandardOpenOption.WRITE,
                        StandardOpenOption.SPARSE)) {
            long header = size < PREFIX_BYTES ? 0 : first.getLong(0);
            int have = first.remaining();
            write(channel, first, 0);
            if (header > have - PREFIX_BYTES
                    && header <= Math.min(size - PREFIX_BYTES, MAX_HEADER_BYTES)) {
                ByteBuffer rest = ByteBuffer.allocate((int) header + PREFIX_BYTES - have);
                file.read(have, rest);
                write(channel, rest.flip(), have);
            }
            if (size > 0 && channel.size() < size) { // the last byte makes the length
                write(channel, ByteBuffer.allocate(1), size - 1);
            }
        }
    }

    private Path create(String path) throws IOException {
        Path file = folder.resolve(path);
        Files.createDirectories(java.util.Objects.requireNonNull(file.getParent()));
        return file;
    }

    private static void write(FileChannel channel, ByteBuffer bytes, long offset)
            throws IOException {
        long at = offset;
        while (bytes.hasRemaining()) {
            at += channel.write(bytes, at);
        }
    }

    @Override
    public void close() throws IOException {
        try (Stream<Path> all = Files.walk(folder)) {
            for (Path path : all.sorted(Comparator.reverseOrder()).toList()) {
                Files.deleteIfExists(path);
            }
        }
    }
}
