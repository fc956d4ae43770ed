package graft.formats.io;

import org.jspecify.annotations.Nullable;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.channels.OverlappingFileLockException;
import java.nio.file.AtomicMoveNotSupportedException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.FileVisitResult;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.SimpleFileVisitor;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.UUID;

/**
 * A file or folder that appears under its final name whole or not at all.
 *
 * <p>Work goes to {@link #path}, a unique temporary beside the final name, so that the rename in
 * {@link #commit} stays within one file system. {@link #close} without {@code commit} removes the
 * temporary and leaves the final name as it was. Not thread-safe; the files inside may be written
 * by any thread.
 */
public final class StagedOutput implements AutoCloseable {
    private final Path target;
    private final Path temporary;
    private final boolean replace;
    private final @Nullable FileChannel lock;
    private boolean committed;
    private boolean kept;

    private StagedOutput(Path target, Path temporary, boolean replace, @Nullable FileChannel lock) {
        this.target = target;
        this.temporary = temporary;
        this.replace = replace;
        this.lock = lock;
    }

    /**
     * A folder to fill.
     *
     * @param replace whether an existing {@code target} is replaced by {@code commit}
     * @throws FileAlreadyExistsException if {@code target} exists and is not to be replaced
     */
    public static StagedOutput folder(Path target, boolean replace) throws IOException {
        var staged = stage(target, replace);
        Files.createDirectory(staged.temporary);
        return staged;
    }

    /** A single file to write; {@link #path} does not exist yet. See {@link #folder}. */
    public static StagedOutput file(Path target, boolean replace) throws IOException {
        return stage(target, replace);
    }

    /**
     * A folder to fill that a killed run leaves behind for the next one, if that has the same
     * {@code fingerprint}; otherwise it starts empty. {@link #close} removes it unless {@link
     * #keep} was called.
     *
     * @param fingerprint of all that decides what the folder will hold
     * @throws FileAlreadyExistsException if {@code target} exists and is not to be replaced, or
     *     another run is filling the folder
     */
    public static StagedOutput resumable(Path target, boolean replace, String fingerprint)
            throws IOException {
        Path absolute = stage(target, replace).target;
        Path folder = absolute.resolveSibling(".%s.partial".formatted(absolute.getFileName()));
        Path lockFile = absolute.resolveSibling(".%s.lock".formatted(absolute.getFileName()));
        var channel =
                FileChannel.open(lockFile, StandardOpenOption.CREATE, StandardOpenOption.WRITE);
        try {
            if (tryLock(channel) == null) {
                throw new FileAlreadyExistsException(
                        target.toString(), null, "another run is writing it");
            }
            if (!Files.readString(lockFile).equals(fingerprint) || !Files.isDirectory(folder)) {
                deleteTree(folder);
                Files.createDirectory(folder);
                Files.writeString(lockFile, fingerprint);
            }
            return new StagedOutput(absolute, folder, replace, channel);
        } catch (Throwable e) {
            channel.close();
            throw e;
        }
    }

    private static @Nullable FileLock tryLock(FileChannel channel) throws IOException {
        try {
            return channel.tryLock();
        } catch (OverlappingFileLockException e) {
            return null; // this very process holds it
        }
    }

    /** Whatever happens, {@link #close} leaves a resumable folder where it is. */
    public void keep() {
        kept = true;
    }

    private static StagedOutput stage(Path target, boolean replace) throws IOException {
        Path absolute = target.toAbsolutePath().normalize();
        if (!replace && Files.exists(absolute, LinkOption.NOFOLLOW_LINKS)) {
            throw new FileAlreadyExistsException(target.toString());
        }
        Path parent = absolute.getParent();
        if (parent == null) {
            throw new FileAlreadyExistsException(target.toString()); // the root of a file system
        }
        Files.createDirectories(parent);
        return new StagedOutput(absolute, sibling(absolute), replace, null);
    }

    private static Path sibling(Path path) {
        return path.resolveSibling(
                ".%s.%s.partial".formatted(path.getFileName(), UUID.randomUUID()));
    }

    /** Where to write. */
    public Path path() {
        return temporary;
    }

    /**
     * Gives the finished work its final name; an old one, if it may be replaced, is removed after.
     */
    public void commit() throws IOException {
        @Nullable Path old = null;
        if (replace && Files.exists(target, LinkOption.NOFOLLOW_LINKS)) {
            old = sibling(target);
            move(target, old);
        }
        try {
            move(temporary, target);
        } catch (IOException e) {
            if (old != null) {
                move(old, target);
            }
            throw e;
        }
        committed = true;
        if (old != null) {
            deleteTree(old);
        }
    }

    private static void move(Path from, Path to) throws IOException {
        try {
            Files.move(from, to, StandardCopyOption.ATOMIC_MOVE);
        } catch (AtomicMoveNotSupportedException e) {
            Files.move(from, to);
        }
    }

    /** Removes what was not committed. */
    @Override
    public void close() throws IOException {
        if (!committed && !kept) {
            deleteTree(temporary);
        }
        if (lock != null) {
            if (committed || !kept) {
                Files.deleteIfExists(
                        target.resolveSibling(".%s.lock".formatted(target.getFileName())));
            }
            lock.close();
        }
    }

    /** Deletes what runs that were killed were writing to below {@code parent}. */
    public static void deleteUnfinished(Path parent) throws IOException {
        try (var unfinished = Files.newDirectoryStream(parent, ".*.partial")) {
            for (Path temporary : unfinished) {
                deleteTree(temporary);
            }
        }
    }

    /**
     * Deletes a folder and all in it; links are deleted, not followed. Does nothing if it is not
     * there.
     */
    public static void deleteTree(Path root) throws IOException {
        if (!Files.exists(root, LinkOption.NOFOLLOW_LINKS)) {
            return;
        }
        Files.walkFileTree(
                root,
                new SimpleFileVisitor<>() {
                    @Override
                    public FileVisitResult visitFile(Path file, BasicFileAttributes attributes)
                            throws IOException {
                        Files.delete(file);
                        return FileVisitResult.CONTINUE;
                    }

                    @Override
                    public FileVisitResult postVisitDirectory(
                            Path folder, @Nullable IOException error) throws IOException {
                        if (error != null) {
                            throw error;
                        }
                        Files.delete(folder);
                        return FileVisitResult.CONTINUE;
                    }
                });
    }
}
