package graft.convert.export;

import java.io.IOException;

/** A matrix column by column, of which rows can be read. */
final class Columns {
    private static final int BAND = 64;

    private Columns() {}

    /** Sees one column. */
    @FunctionalInterface
    interface Sink {
        /**
         * @param values may be changed, and are overwritten later
         */
        void put(int column, float[] values) throws IOException;
    }

    /**
     * Walks them in ascending order, band by band: each element is read once, and handed on in runs
     * as long as the matrix is tall.
     */
    static void walk(TensorChange.Values matrix, int rows, int columns, Sink sink)
            throws IOException {
        float[] slice = new float[BAND];
        float[][] band = new float[BAND][rows];
        for (int first = 0; first < columns; first += BAND) {
            int count = Math.min(BAND, columns - first);
            for (int i = 0; i < rows; i++) {
                matrix.read((long) i * columns + first, slice, count);
                for (int j = 0; j < count; j++) {
                    band[j][i] = slice[j];
                }
            }
            for (int j = 0; j < count; j++) {
                sink.put(first + j, band[j]);
            }
        }
    }
}
