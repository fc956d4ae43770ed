package graft.convert.reduce;

import graft.formats.tensor.DType;
import graft.formats.tensor.Elements;

import java.lang.foreign.MemorySegment;

/**
 * One LoRA factor as its file stores it.
 *
 * @param dtype a {@linkplain DType#isComputable computable} type
 * @param bytes row-major elements
 * @param rows of the matrix: {@code out} for B, the rank for A
 * @param columns the rank for B, {@code in} for A (for a convolution: in · kernel)
 */
public record Factor(DType dtype, MemorySegment bytes, int rows, int columns) {
    /**
     * @throws IllegalArgumentException if the bytes are not {@code rows · columns} elements
     */
    public Factor {
        if (rows < 1 || columns < 1 || bytes.byteSize() != (long) rows * columns * dtype.bytes()) {
            throw new IllegalArgumentException(
                    "%d bytes for %d×%d of %s".formatted(bytes.byteSize(), rows, columns, dtype));
        }
    }

    /** Widens {@code count} elements of one row, exactly for 16- and 32-bit types. */
    void read(int row, int column, int count, float[] into) {
        Elements.widen(dtype, bytes, (long) row * columns + column, into, 0, count);
    }

    /** Narrows {@code count} elements into one row, to nearest even. */
    void write(int row, int column, int count, float[] from) {
        Elements.narrow(dtype, from, 0, bytes, (long) row * columns + column, count);
    }
}
