package graft.formats.archive;

/** Numbers that writer and reader must agree on. */
public final class ArchiveLayout {
    /** Bytes of a whole block before coding; the last of a run may be shorter. */
    public static final int BLOCK_BYTES = 1 << 20;

    /** Most bytes that a block may take when it is coded: what zstd needs at worst, and more. */
    public static final int MAX_STORED_BYTES = BLOCK_BYTES + (1 << 16);

    private ArchiveLayout() {}
}
