package graft.formats.io;

import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;

/**
 * The few lines of text that stand for a large file in a clone made without git-lfs: the commonest
 * way to have no weights under their name.
 */
public final class LfsPointer {
    /** What is wrong, for an error. */
    public static final String PROBLEM = "a git-lfs pointer, not the weights";

    /** What to do about it. */
    public static final String HELP =
            "run git lfs pull in its repository, or download the file from the Hub";

    private static final MemorySegment START =
            MemorySegment.ofArray("version https://git-lfs".getBytes(StandardCharsets.US_ASCII));

    private LfsPointer() {}

    /** Whether a file is one, by its first bytes. */
    public static boolean isAt(MemorySegment file) {
        long length = START.byteSize();
        return file.byteSize() >= length && file.asSlice(0, length).mismatch(START) < 0;
    }
}
