package graft.formats.archive;

import java.util.Arrays;

/** Codec, stored bytes and CRC-32C of a file's blocks, nine bytes each. Filled once, in order. */
public final class BlockTable {
    private static final int ENTRY_BYTES = 9;

    private final byte[] entries;
    private int filled;

    /** An empty table for {@code blocks} blocks. */
    BlockTable(int blocks) {
        entries = new byte[Math.multiplyExact(blocks, ENTRY_BYTES)];
    }

    /** A table that was read. */
    BlockTable(byte[] entries) {
        this.entries = entries;
        this.filled = entries.length / ENTRY_BYTES;
    }

    void add(BlockCodec codec, int stored, int crc) {
        int at = ENTRY_BYTES * filled++;
        entries[at] = (byte) codec.ordinal();
        LittleEndian.putI32(entries, at + 1, stored);
        LittleEndian.putI32(entries, at + 5, crc);
    }

    byte[] toBytes() {
        return entries.clone();
    }

    static boolean isWhole(byte[] entries) {
        return entries.length % ENTRY_BYTES == 0;
    }

    /** How many blocks. */
    public int size() {
        return entries.length / ENTRY_BYTES;
    }

    /** Codec of a block; checked when the manifest was read. */
    public BlockCodec codec(int block) {
        return BlockCodec.of(number(block)).orElseThrow();
    }

    int number(int block) {
        return entries[ENTRY_BYTES * block];
    }

    /** Bytes that the archive holds of a block. */
    public int stored(int block) {
        return LittleEndian.getI32(entries, ENTRY_BYTES * block + 1);
    }

    int crc(int block) {
        return LittleEndian.getI32(entries, ENTRY_BYTES * block + 5);
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof BlockTable table && Arrays.equals(entries, table.entries);
    }

    @Override
    public int hashCode() {
        return Arrays.hashCode(entries);
    }
}
