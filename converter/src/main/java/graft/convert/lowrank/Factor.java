package graft.convert.lowrank;

import graft.formats.tensor.DType;
import graft.formats.tensor.Elements;

import java.lang.foreign.MemorySegment;

/**
 * One LoRA factor as its file stores it, times a number.
 *
 * @param dtype a {@linkplain DType#isComputable computable} type
 * @param bytes row-major elements
 * @param rows of the matrix: {@code out} for B, the rank for A
 * @param columns the rank for B, {@code in} for A (for a convolution: in · kernel)
 * @param scale what every element is multiplied by when read, in float64
 */
public record Factor(DType dtype, MemorySegment bytes, int rows, int columns, double scale)
        implements Operand {
    /**
     * @throws IllegalArgumentException if the bytes are not {@code rows · columns} elements
     */
    public Factor {
        if (rows < 1 || columns < 1 || bytes.byteSize() != (long) rows * columns * dtype.bytes()) {
            throw new IllegalArgumentException(
                    "%d bytes for %d×%d of %s".formatted(bytes.byteSize(), rows, columns, dtype));
        }
    }

    /** A factor as it is. */
    public Factor(DType dtype, MemorySegment bytes, int rows, int columns) {
        this(dtype, bytes, rows, columns, 1);
    }

    @Override
    public void read(int row, int column, int count, float[] scratch, double[] into, int at) {
        Elements.widen(dtype, bytes, (long) row * columns + column, scratch, 0, count);
        for (int i = 0; i < count; i++) {
            into[at + i] = scale * scratch[i];
        }
    }

    /** Narrows {@code count} elements into one row, to nearest even; the scale plays no part. */
    public void write(int row, int column, int count, float[] from) {
        Elements.narrow(dtype, from, 0, bytes, (long) row * columns + column, count);
    }
}
