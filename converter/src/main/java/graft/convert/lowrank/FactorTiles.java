package graft.convert.lowrank;

import graft.convert.linalg.Kernel;
import graft.convert.linalg.Matrix;
import graft.convert.linalg.Scratch;

import java.nio.DoubleBuffer;

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
        int most = tileOf(factor.rows(), factor.columns());
        Matrix tile = scratch.matrix(most, factor.columns());
        float[] wide = new float[factor.columns()];
        for (int first = 0; first < factor.rows(); first += most) {
            int count = Math.min(most, factor.rows() - first);
            for (int i = 0; i < count; i++) {
                factor.read(
                        first + i, 0, factor.columns(), wide, tile.values(), i * factor.columns());
            }
            visitor.visit(tile, first, count);
        }
    }

    /** Tiles of whole columns: {@code rows × count}. */
    static void overColumns(Operand factor, Scratch scratch, Visitor visitor) {
        int most = tileOf(factor.columns(), factor.rows());
        Matrix tile = scratch.matrix(factor.rows(), most);
        float[] wide = new float[most];
        for (int first = 0; first < factor.columns(); first += most) {
            int count = Math.min(most, factor.columns() - first);
            for (int i = 0; i < factor.rows(); i++) {
                factor.read(i, first, count, wide, tile.values(), i * most);
            }
            visitor.visit(tile, first, count);
        }
    }

    private static int tileOf(int length, int across) {
        return Math.clamp(TILE_ELEMENTS / across, 1, length);
    }

    private static void get(DoubleBuffer from, int at, float[] into, int count) {
        for (int i = 0; i < count; i++) {
            into[i] = (float) from.get(at + i);
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
            float[] narrow = new float[q];
            return (tile, first, count) -> {
                kernel.multiply(false, false, count, q, matrix.rows(), tile, matrix, 0, exact);
                for (int i = 0; i < count; i++) {
                    get(exact.values(), i * q, narrow, q);
                    output.write(first + i, 0, q, narrow);
                    output.read(first + i, 0, q, narrow, stored.values(), i * q);
                }
                rounded.visit(exact, stored, count);
            };
        }

        /** Writes {@code matrix · tile}. */
        Visitor intoColumns(Factor output, Rounded rounded) {
            int q = matrix.rows();
            int most = tileOf(output.columns(), matrix.columns());
            Matrix exact = scratch.matrix(q, most);
            Matrix stored = scratch.matrix(q, most);
            float[] narrow = new float[most];
            return (tile, first, count) -> {
                kernel.multiply(false, false, q, count, matrix.columns(), matrix, tile, 0, exact);
                for (int i = 0; i < q; i++) {
                    get(exact.values(), i * most, narrow, count);
                    output.write(i, first, count, narrow);
                    output.read(i, first, count, narrow, stored.values(), i * most);
                }
                rounded.visit(exact, stored, count);
            };
        }
    }
}
