package graft.hub;

import java.nio.file.FileSystemException;
import java.nio.file.Path;

/** The disk has less room than the files need; found out before the first byte is fetched. */
public final class NoSpaceException extends FileSystemException {
    private static final long serialVersionUID = 1;

    public NoSpaceException(Path folder, long needed, long free) {
        super(folder.toString(), null, "needs %,d bytes, has %,d free".formatted(needed, free));
    }
}
