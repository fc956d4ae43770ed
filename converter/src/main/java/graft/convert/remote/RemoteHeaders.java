package graft.convert.remote;

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
import java.util.stream.Stream;

/**
 * A remote model as a local folder of sparse files: every file has its size, but only headers and
 * small files have their bytes. Whatever reads headers alone works on it unchanged; tensor data
 * reads as zeros until {@link #fill} fetches it.
 *
 * <p>Not for several threads. {@link #close} deletes the folder.
 */
public final class RemoteHeaders implements AutoCloseable {
    /** Enough for the headers of most files in one request. */
    private static final int FIRST_BYTES = 64 << 10;

    private static final int PREFIX_BYTES = 8;

    /** The longest header that safetensors readers accept. */
    private static final long MAX_HEADER_BYTES = 100_000_000;

    private static final int MAX_SMALL_BYTES = 256 << 20;

    private final Path folder;
    private final Path model;
    private final Map<String, RemoteFile> files = new HashMap<>();
    private long smallBytes;

    private RemoteHeaders(Path folder, Path model) {
        this.folder = folder;
        this.model = model;
    }

    /**
     * Fetches headers and small files.
     *
     * @param chosen whose weights {@link ModelFiles#haveHeaders}
     */
    public static RemoteHeaders fetch(HubClient hub, Snapshot snapshot, ModelFiles chosen)
            throws IOException {
        Path folder = Files.createTempDirectory("graft-headers");
        var headers =
                new RemoteHeaders(
                        folder, chosen.root().isEmpty() ? folder : folder.resolve(chosen.root()));
        try {
            for (String path : chosen.small()) {
                byte[] content = hub.read(snapshot, path, MAX_SMALL_BYTES);
                headers.smallBytes += content.length;
                Path copy = headers.create(path);
                Files.write(copy, content);
            }
            for (String path : chosen.weights()) {
                headers.header(hub.open(snapshot, path));
            }
            return headers;
        } catch (Throwable e) {
            headers.close();
            throw e;
        }
    }

    /** What the reference names: a folder or a file. */
    public Path model() {
        return model;
    }

    /** Bytes of headers and small files that were read. */
    public long bytesRead() {
        return smallBytes + files.values().stream().mapToLong(RemoteFile::bytesRead).sum();
    }

    /**
     * Fetches bytes of a file of weights: tensors that somebody wants after all.
     *
     * @param path counted from the repository's root
     * @param offset first byte
     * @param length number of bytes
     */
    public void fill(String path, long offset, long length) throws IOException {
        RemoteFile file = files.get(path);
        if (file == null) {
            throw new IllegalArgumentException("no file of weights: " + path);
        }
        ByteBuffer tile = ByteBuffer.allocateDirect((int) Math.min(length, 8 << 20));
        try (var channel = FileChannel.open(folder.resolve(path), StandardOpenOption.WRITE)) {
            for (long at = offset; at < offset + length; at += tile.limit()) {
                tile.clear().limit((int) Math.min(tile.capacity(), offset + length - at));
                file.read(at, tile);
                write(channel, tile.flip(), at);
            }
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
