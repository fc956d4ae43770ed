package graft.formats.archive;

/**
 * Neighbouring bytes of a file that hold elements of one type.
 *
 * @param bytes how many; whole elements
 * @param type what they hold
 * @param source where similar bytes are, as {@link Manifest#source} numbers files, or {@link #NONE}
 * @param offset of the similar bytes in that file
 */
public record Run(long bytes, ElementType type, int source, long offset) {
    /** No reference. */
    public static final int NONE = -1;

    public Run {
        if (bytes < 0 || bytes % type.bytes() != 0) {
            throw new IllegalArgumentException("%d bytes of %s".formatted(bytes, type.word()));
        }
    }

    /** A run that refers to nothing. */
    public static Run of(long bytes, ElementType type) {
        return new Run(bytes, type, NONE, 0);
    }

    /** How many blocks it is cut into. */
    public int blocks() {
        return Math.toIntExact((bytes + ArchiveLayout.BLOCK_BYTES - 1) / ArchiveLayout.BLOCK_BYTES);
    }
}
