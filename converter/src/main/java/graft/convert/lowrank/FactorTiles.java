package graft.convert.lowrank;

import graft.convert.linalg.Kernel;
import graft.convert.linalg.Matrix;
import graft.convert.linalg.Scratch;

/**
 * Walks a factor in float64 tiles that fit a core's second-level cache, in a fixed order. Elements
 * are touched in arrays, by short loops that HotSpot vectorises, and copied whole.
 */
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

    /** Sees a tile of a new factor: before rounding, after it, and the difference. */
    @FunctionalInterface
    interface Rounded {
        void visit(Matrix exact, Matrix rounded, Matrix error, int count);
    }

    private FactorTiles() {}

    /** Tiles of whole rows: {@code count × columns}. */
    static void overRows(Operand factor, Scratch scratch, Visitor visitor) {
        int columns = factor.columns();
        int most = tileOf(factor.rows(), columns);
        var tile = new Tile(most, columns, scratch);
        for (int first = 0; first < factor.rows(); first += most) {
            int count = Math.min(most, factor.rows() - first);
            visitor.visit(tile.read(factor, new Block(first, count, 0, columns)), first, count);
        }
    }

    /** Tiles of whole columns: {@code rows × count}. */
    static void overColumns(Operand factor, Scratch scratch, Visitor visitor) {
        int rows = factor.rows();
        int most = tileOf(factor.columns(), rows);
        var tile = new Tile(rows, most, scratch);
        for (int first = 0; first < factor.columns(); first += most) {
            int count = Math.min(most, factor.columns() - first);
            visitor.visit(tile.read(factor, new Block(0, rows, first, count)), first, count);
        }
    }

    private static int tileOf(int length, int across) {
        return Math.clamp(TILE_ELEMENTS / across, 1, length);
    }

    /** A matrix with the arrays through which it is filled. */
    private static final class Tile {
        private final Matrix matrix;
        private final float[] wide;
        private final double[] values;
        private final double[] before;

        Tile(int rows, int columns, Scratch scratch) {
            this.matrix = scratch.matrix(rows, columns);
            this.wide = new float[rows * columns];
            this.values = new double[rows * columns];
            this.before = new double[rows * columns];
        }

        /** The block, at the matrix's first row and column. */
        Matrix read(Operand factor, Block block) {
            factor.read(block, wide, values, 0, matrix.columns());
            matrix.fill(values);
            return matrix;
        }

        /**
         * Rounds what is in {@code exact} into a block of {@code output}, and reads that; {@code
         * error} becomes the difference.
         */
        Matrix round(Matrix exact, Factor output, Block block, Matrix error) {
            exact.values().get(0, before);
            narrow(before, wide);
            output.write(block, wide, matrix.columns());
            read(output, block);
            subtract(before, values);
            error.fill(values);
            return matrix;
        }

        private static void narrow(double[] from, float[] into) {
            for (int i = 0; i < from.length; i++) {
                into[i] = (float) from[i];
            }
        }

        private static void subtract(double[] what, double[] from) {
            for (int i = 0; i < from.length; i++) {
                from[i] -= what[i];
            }
        }
    }

    /** Multiplies tiles of a factor by a small matrix and writes the result into a new factor. */
    record Projection(Kernel kernel, Matrix matrix, Scratch scratch) {
        /** Writes {@code tile · matrix}. */
        Visitor intoRows(Factor output, Rounded rounded) {
            int q = matrix.columns();
            int most = tileOf(output.rows(), matrix.rows());
            Matrix exact = scratch.matrix(most, q);
            Matrix error = scratch.matrix(most, q);
            var stored = new Tile(most, q, scratch);
            return (tile, first, count) -> {
                kernel.multiply(false, false, count, q, matrix.rows(), tile, matrix, 0, exact);
                Matrix after = stored.round(exact, output, new Block(first, count, 0, q), error);
                rounded.visit(exact, after, error, count);
            };
        }

        /** Writes {@code matrix · tile}. */
        Visitor intoColumns(Factor output, Rounded rounded) {
            int q = matrix.rows();
            int most = tileOf(output.columns(), matrix.columns());
            Matrix exact = scratch.matrix(q, most);
            Matrix error = scratch.matrix(q, most);
            var stored = new Tile(q, most, scratch);
            return (tile, first, count) -> {
                kernel.multiply(false, false, q, count, matrix.columns(), matrix, tile, 0, exact);
                Matrix after = stored.round(exact, output, new Block(0, q, first, count), error);
                rounded.visit(exact, after, error, count);
            };
        }
    }
}
