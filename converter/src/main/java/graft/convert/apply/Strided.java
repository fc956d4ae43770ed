package graft.convert.apply;

import graft.formats.tensor.DType;
import graft.formats.tensor.Elements;
import graft.formats.tensor.TensorInfo;

import org.jspecify.annotations.Nullable;

import java.lang.foreign.MemorySegment;

/**
 * A tensor, or part of one, seen as a matrix: element (i, j) is {@code offset + i·rowStride +
 * j·columnStride} of its elements. So a transpose, a convolution's kernel and one expert of a stack
 * are views, and nothing is copied.
 *
 * @param factors multiplies row i (or column j) by {@code factors[i]} in float32 as it is read; or
 *     null
 * @param byColumn whether factors are of columns
 */
record Strided(
        DType dtype,
        MemorySegment bytes,
        long offset,
        int rows,
        long rowStride,
        int columns,
        long columnStride,
        float @Nullable [] factors,
        boolean byColumn) {
    /** All of a row-major tensor as {@code rows × columns}. */
    static Strided of(TensorInfo info, MemorySegment bytes, int rows, int columns) {
        if (info.shape().elements() != (long) rows * columns) {
            throw new IllegalArgumentException("%s as %d×%d".formatted(info, rows, columns));
        }
        return new Strided(info.dtype(), bytes, 0, rows, columns, columns, 1, null, false);
    }

    /** All elements of a tensor, widened: a vector, or as one. */
    static float[] vector(TensorInfo info, MemorySegment bytes) {
        float[] values = new float[(int) info.shape().elements()];
        Elements.widen(info.dtype(), bytes, 0, values, 0, values.length);
        return values;
    }

    Strided transposed() {
        return new Strided(
                dtype, bytes, offset, columns, columnStride, rows, rowStride, factors, !byColumn);
    }

    Strided rows(int first, int count) {
        return new Strided(
                dtype,
                bytes,
                offset + first * rowStride,
                count,
                rowStride,
                columns,
                columnStride,
                null,
                false);
    }

    Strided columns(int count) {
        return new Strided(dtype, bytes, offset, rows, rowStride, count, columnStride, null, false);
    }

    Strided times(float[] rowFactors) {
        return new Strided(
                dtype, bytes, offset, rows, rowStride, columns, columnStride, rowFactors, false);
    }

    /** Widens a block into {@code into}, row after row without gaps. */
    void read(int row, int rowCount, int column, int columnCount, float[] into) {
        if (columnStride == 1) {
            for (int i = 0; i < rowCount; i++) {
                long first = offset + (row + i) * rowStride + column;
                Elements.widen(dtype, bytes, first, into, i * columnCount, columnCount);
            }
        } else {
            readColumns(row, rowCount, column, columnCount, into);
        }
        if (factors != null) {
            for (int i = 0; i < rowCount; i++) {
                for (int j = 0; j < columnCount; j++) {
                    into[i * columnCount + j] *= factors[byColumn ? column + j : row + i];
                }
            }
        }
    }

    private void readColumns(int row, int rowCount, int column, int columnCount, float[] into) {
        float[] one = new float[rowStride == 1 ? rowCount : 1];
        for (int j = 0; j < columnCount; j++) {
            long first = offset + row * rowStride + (column + j) * columnStride;
            if (rowStride == 1) {
                Elements.widen(dtype, bytes, first, one, 0, rowCount);
                for (int i = 0; i < rowCount; i++) {
                    into[i * columnCount + j] = one[i];
                }
            } else {
                for (int i = 0; i < rowCount; i++) {
                    Elements.widen(
                            dtype, bytes, first + i * rowStride, into, i * columnCount + j, 1);
                }
            }
        }
    }
}
