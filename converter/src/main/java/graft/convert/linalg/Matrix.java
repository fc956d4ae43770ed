package graft.convert.linalg;

import java.lang.foreign.MemorySegment;
import java.nio.ByteOrder;
import java.nio.DoubleBuffer;
import java.util.Objects;

/**
 * A dense float64 matrix, row-major without gaps, in native memory of a {@link Scratch}, and dead
 * when that is closed. Not thread-safe.
 */
public final class Matrix {
    private final int rows;
    private final int columns;
    private final DoubleBuffer values;

    /**
     * @param memory native, at least {@code 8 · rows · columns} bytes and below 2 GiB
     */
    Matrix(int rows, int columns, MemorySegment memory) {
        this.rows = rows;
        this.columns = columns;
        long bytes = 8L * rows * columns;
        this.values =
                memory.asSlice(0, bytes)
                        .asByteBuffer()
                        .order(ByteOrder.nativeOrder())
                        .asDoubleBuffer();
    }

    private Matrix(int rows, int columns, DoubleBuffer values) {
        this.rows = rows;
        this.columns = columns;
        this.values = values;
    }

    /** Rows {@code first} to {@code first + count − 1}: a view, nothing is copied. */
    public Matrix rows(int first, int count) {
        Objects.checkFromIndexSize(first, count, rows);
        return new Matrix(count, columns, values.slice(first * columns, count * columns));
    }

    /** The first elements as an n×n matrix: a view, for work on less than was allocated. */
    public Matrix square(int n) {
        return new Matrix(n, n, values.slice(0, n * n));
    }

    /** Number of rows. */
    public int rows() {
        return rows;
    }

    /** Number of columns, and distance between rows. */
    public int columns() {
        return columns;
    }

    /** Element (row, column). */
    public double get(int row, int column) {
        return values.get(row * columns + column);
    }

    /** Sets element (row, column). */
    public void set(int row, int column, double value) {
        values.put(row * columns + column, value);
    }

    /** All elements, shared with this matrix: element (i, j) at {@code i · columns + j}. */
    public DoubleBuffer values() {
        return values;
    }

    /** A copy of all elements, row after row. */
    public double[] toArray() {
        double[] copy = new double[rows * columns];
        values.get(0, copy);
        return copy;
    }

    /** Overwrites all elements, row after row. */
    public void fill(double[] source) {
        if (source.length != rows * columns) {
            throw new IllegalArgumentException(
                    "%d numbers for %d×%d".formatted(source.length, rows, columns));
        }
        values.put(0, source);
    }

    /** Multiplies all elements by {@code factor}. */
    public void scale(double factor) {
        double[] copy = toArray();
        for (int i = 0; i < copy.length; i++) {
            copy[i] *= factor;
        }
        fill(copy);
    }

    /** Sets all elements to zero. */
    public void clear() {
        fill(new double[rows * columns]);
    }
}
