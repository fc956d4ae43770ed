package graft.convert.lowrank;

/** A factor to read: B (out×r) or A (r×in), scale included. Safe from any thread. */
public interface Operand {
    /** Number of rows. */
    int rows();

    /** Number of columns. */
    int columns();

    /**
     * Widens a block into {@code into}, its first element at index {@code at} and its rows {@code
     * stride} elements apart.
     *
     * @param scratch of at least as many elements as the block has, overwritten
     */
    void read(Block block, float[] scratch, double[] into, int at, int stride);
}
