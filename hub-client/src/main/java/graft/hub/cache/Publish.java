package graft.hub.cache;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.AtomicMoveNotSupportedException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.concurrent.ThreadLocalRandom;

/** The ways in which something appears under a final name: whole, by rename. */
public final class Publish {
    private Publish() {}

    /** Eight hex digits that no other process has. */
    public static String unique() {
        return "%08x".formatted(ThreadLocalRandom.current().nextInt());
    }

    /** A small text, replaced if it differs; nothing is touched if it is already there. */
    public static void text(Path path, String text) throws IOException {
        if (Files.isRegularFile(path)
                && Files.size(path) <= 1 << 26
                && Files.readString(path).equals(text)) {
            return;
        }
        Files.createDirectories(path.getParent());
        Path temporary = path.resolveSibling(path.getFileName() + "." + unique() + ".tmp");
        try {
            Files.writeString(temporary, text, StandardOpenOption.CREATE_NEW);
            rename(temporary, path);
        } finally {
            Files.deleteIfExists(temporary);
        }
    }

    /** An empty file, if there is none. */
    static void empty(Path path) throws IOException {
        if (!Files.exists(path)) {
            Files.createDirectories(path.getParent());
            Files.write(path, new byte[0]);
        }
    }

    /** Moves a finished temporary over {@code target} in one step. */
    public static void rename(Path temporary, Path target) throws IOException {
        try {
            Files.move(temporary, target, StandardCopyOption.ATOMIC_MOVE);
        } catch (AtomicMoveNotSupportedException e) {
            // Some network file systems: the temporary is beside the target, so a move is a rename.
            Files.move(temporary, target, StandardCopyOption.REPLACE_EXISTING);
        }
    }

    /** A copy of {@code source} that appears whole; links are read through. */
    public static void copy(Path source, Path target) throws IOException {
        Files.createDirectories(target.getParent());
        Path temporary = target.resolveSibling("." + unique() + ".tmp");
        try (var in = FileChannel.open(source, StandardOpenOption.READ);
                var out =
                        FileChannel.open(
                                temporary,
                                StandardOpenOption.CREATE_NEW,
                                StandardOpenOption.WRITE)) {
            long size = in.size();
            for (long at = 0; at < size; ) {
                long moved = in.transferTo(at, size - at, out);
                if (moved <= 0) {
                    throw new IOException(source + ": shrank while it was copied");
                }
                at += moved;
            }
        } catch (Throwable e) {
            Files.deleteIfExists(temporary);
            throw e;
        }
        rename(temporary, target);
    }

    /**
     * A link at {@code pointer} to {@code blob}, relative, so that the cache may be moved.
     *
     * @throws IOException also if the file system has no links
     */
    static void link(Path pointer, Path blob) throws IOException {
        Path folder = java.util.Objects.requireNonNull(pointer.getParent());
        Files.createDirectories(folder);
        Path target = folder.relativize(blob);
        if (Files.isSymbolicLink(pointer) && Files.readSymbolicLink(pointer).equals(target)) {
            return;
        }
        Path temporary = pointer.resolveSibling("." + unique() + ".tmp");
        try {
            Files.createSymbolicLink(temporary, target);
            rename(temporary, pointer);
        } catch (UnsupportedOperationException e) {
            throw new IOException("no symbolic links here", e);
        } finally {
            Files.deleteIfExists(temporary);
        }
    }

    /** Writes all of {@code buffer} at {@code offset}. */
    static void write(FileChannel channel, ByteBuffer buffer, long offset) throws IOException {
        long at = offset;
        while (buffer.hasRemaining()) {
            at += channel.write(buffer, at);
        }
    }
}
