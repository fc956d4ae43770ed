package graft.convert.lowrank;

/** A factor to read: B (out×r) or A (r×in), scale included. Safe from any thread. */
public interface Operand {
    /** Number of rows. */
    int rows();

    /** Number of columns. */
    int columns();

    /**
     * Widens {@code count} elements of one row, from {@code column}, into {@code into} from index
     * {@code at}.
     *
     * @param scratch of at least {@code count} elements, overwritten
     */
    void read(int row, int column, int count, float[] scratch, double[] into, int at);
}
