package graft.convert.lowrank;

import graft.convert.linalg.Kernel;
import graft.convert.linalg.Matrix;
import graft.convert.linalg.Scratch;

/** Walks a factor in float64 tiles that fit a core's second-level cache, in a fixed order. */
final class FactorTiles {
    /** 128 KiB of float64; larger tiles measured no faster. */
    private static final int TILE_ELEMENTS = 1 << 14;

    /** Sees one tile. */
    @FunctionalInterface
    interface Visitor {
        /**
         * @param first row (or column) of the factor at which the tile begins
         * @param count rows (or columns) of the tile that are filled; the rest is stale
         */
        void visit(Matrix tile, int first, int count);
    }

    /** Sees a tile of a new factor before and after rounding; may overwrite both. */
    @FunctionalInterface
    interface Rounded {
        void visit(Matrix exact, Matrix rounded, int count);
    }

    private FactorTiles() {}

    /** Tiles of whole rows: {@code count × columns}. */
    static void overRows(Operand factor, Scratch scratch, Visitor visitor) {
        int columns = factor.columns();
        int most = tileOf(factor.rows(), columns);
        Matrix tile = scratch.matrix(most, columns);
        double[] values = new double[most * columns]; // arrays, then one copy: twice as fast
        float[] wide = new float[columns];
        for (int first = 0; first < factor.rows(); first += most) {
            int count = Math.min(most, factor.rows() - first);
            for (int i = 0; i < count; i++) {
                factor.read(first + i, 0, columns, wide, values, i * columns);
            }
            tile.fill(values);
            visitor.visit(tile, first, count);
        }
    }

    /** Tiles of whole columns: {@code rows × count}. */
    static void overColumns(Operand factor, Scratch scratch, Visitor visitor) {
        int most = tileOf(factor.columns(), factor.rows());
        Matrix tile = scratch.matrix(factor.rows(), most);
        double[] values = new double[factor.rows() * most];
        float[] wide = new float[most];
        for (int first = 0; first < factor.columns(); first += most) {
            int count = Math.min(most, factor.columns() - first);
            for (int i = 0; i < factor.rows(); i++) {
                factor.read(i, first, count, wide, values, i * most);
            }
            tile.fill(values);
            visitor.visit(tile, first, count);
        }
    }

    private static int tileOf(int length, int across) {
        return Math.clamp(TILE_ELEMENTS / across, 1, length);
    }

    private static void narrow(double[] from, int at, float[] into, int count) {
        for (int i = 0; i < count; i++) {
            into[i] = (float) from[at + i];
        }
    }

    /** Multiplies tiles of a factor by a small matrix and writes the result into a new factor. */
    record Projection(Kernel kernel, Matrix matrix, Scratch scratch) {
        /** Writes {@code tile · matrix}. */
        Visitor intoRows(Factor output, Rounded rounded) {
            int q = matrix.columns();
            int most = tileOf(output.rows(), matrix.rows());
            Matrix exact = scratch.matrix(most, q);
            Matrix stored = scratch.matrix(most, q);
            double[] values = new double[most * q];
            float[] row = new float[q];
            return (tile, first, count) -> {
                kernel.multiply(false, false, count, q, matrix.rows(), tile, matrix, 0, exact);
                exact.values().get(0, values);
                for (int i = 0; i < count; i++) {
                    narrow(values, i * q, row, q);
                    output.write(first + i, 0, q, row);
                    output.read(first + i, 0, q, row, values, i * q);
                }
                stored.fill(values);
                rounded.visit(exact, stored, count);
            };
        }

        /** Writes {@code matrix · tile}. */
        Visitor intoColumns(Factor output, Rounded rounded) {
            int q = matrix.rows();
            int most = tileOf(output.columns(), matrix.columns());
            Matrix exact = scratch.matrix(q, most);
            Matrix stored = scratch.matrix(q, most);
            double[] values = new double[q * most];
            float[] row = new float[most];
            return (tile, first, count) -> {
                kernel.multiply(false, false, q, count, matrix.columns(), matrix, tile, 0, exact);
                exact.values().get(0, values);
                for (int i = 0; i < q; i++) {
                    narrow(values, i * most, row, count);
                    output.write(i, first, count, row);
                    output.read(i, first, count, row, values, i * most);
                }
                stored.fill(values);
                rounded.visit(exact, stored, count);
            };
        }
    }
}
