package graft.convert.apply;

import graft.formats.tensor.DType;
import graft.formats.tensor.Elements;

import java.util.List;

/** One thing done to a tile of rows of a tensor, in float32. Immutable. */
sealed interface Step {
    /**
     * @param row first row of the tile
     * @param rows how many
     * @param columns of the tensor
     * @param tile the values so far, row after row from index 0; overwritten
     * @param scratch of the tile's size, for the step's own use
     */
    void apply(int row, int rows, int columns, float[] tile, float[] scratch);

    /**
     * Adds an update to some of the rows.
     *
     * @param begin row of the tensor that the update's first row is added to
     * @param roundTo type that the update is rounded to first; F32 for not at all
     */
    record Add(Delta delta, int begin, DType roundTo) implements Step {
        @Override
        public void apply(int row, int rows, int columns, float[] tile, float[] scratch) {
            int from = Math.max(row, begin);
            int to = Math.min(row + rows, begin + delta.rows());
            if (from >= to) {
                return;
            }
            delta.read(from - begin, to - from, scratch);
            int at = (from - row) * columns;
            int count = (to - from) * columns;
            if (roundTo == DType.F32 || roundTo == DType.F64) {
                for (int i = 0; i < count; i++) {
                    tile[at + i] += scratch[i];
                }
            } else {
                for (int i = 0; i < count; i++) {
                    tile[at + i] += Elements.round(roundTo, scratch[i]);
                }
            }
        }
    }

    /** Multiplies every row by its own factor. */
    record ScaleRows(float[] factors) implements Step {
        @Override
        public void apply(int row, int rows, int columns, float[] tile, float[] scratch) {
            for (int i = 0; i < rows; i++) {
                for (int j = 0; j < columns; j++) {
                    tile[i * columns + j] *= factors[row + i];
                }
            }
        }
    }

    /**
     * Multiplies every column by its own factor.
     *
     * @param each neighbouring columns that share a factor: a kernel's extent
     */
    record ScaleColumns(float[] factors, int each) implements Step {
        @Override
        public void apply(int row, int rows, int columns, float[] tile, float[] scratch) {
            for (int i = 0; i < rows; i++) {
                for (int j = 0; j < columns; j++) {
                    tile[i * columns + j] *= factors[j / each];
                }
            }
        }
    }

    /** DoRA where an output is a row: m ⊙ V / ‖V‖ of each row. */
    record NormaliseRows(float[] magnitudes) implements Step {
        @Override
        public void apply(int row, int rows, int columns, float[] tile, float[] scratch) {
            for (int i = 0; i < rows; i++) {
                double sum = 0;
                for (int j = i * columns; j < (i + 1) * columns; j++) {
                    sum += (double) tile[j] * tile[j];
                }
                float factor = magnitudes[row + i] / (float) Math.sqrt(sum);
                for (int j = i * columns; j < (i + 1) * columns; j++) {
                    tile[j] *= factor;
                }
            }
        }
    }

    /** Replaces single rows. */
    record ReplaceRows(List<Integer> which, Strided values) implements Step {
        @Override
        public void apply(int row, int rows, int columns, float[] tile, float[] scratch) {
            for (int i = 0; i < which.size(); i++) {
                int at = which.get(i) - row;
                if (at >= 0 && at < rows) {
                    values.read(i, 1, 0, columns, scratch);
                    System.arraycopy(scratch, 0, tile, at * columns, columns);
                }
            }
        }
    }
}
