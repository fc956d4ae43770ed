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
    public void read(Block block, float[] scratch, double[] into, int at, int stride) {
        int length = block.columns();
        Elements.widen(
                dtype, bytes, offset(block, 0), columns, scratch, block.rows(), block.columns());
        if (stride == length) {
            scale(scratch, 0, into, at, block.rows() * length);
            return;
        }
        for (int i = 0; i < block.rows(); i++) {
            scale(scratch, i * length, into, at + i * stride, length);
        }
    }

    private long offset(Block block, int row) {
        return (long) (block.row() + row) * columns + block.column();
    }

    private void scale(float[] from, int first, double[] into, int at, int count) {
        double by = scale;
        for (int i = 0; i < count; i++) {
            into[at + i] = by * from[first + i];
        }
    }

    /**
     * Narrows a block to nearest even; the scale plays no part.
     *
     * @param stride how many elements the block's rows are apart in {@code from}
     */
    public void write(Block block, float[] from, int stride) {
        if (stride == columns && block.columns() == columns) {
            Elements.narrow(dtype, from, 0, bytes, offset(block, 0), block.rows() * columns);
            return;
        }
        for (int i = 0; i < block.rows(); i++) {
            Elements.narrow(dtype, from, i * stride, bytes, offset(block, i), block.columns());
        }
    }
}
