package graft.convert.export;

import graft.formats.tensor.TensorInfo;

import java.io.IOException;
import java.util.Optional;

/**
 * How a model differs from the graph's base in one tensor, named as in the checkpoint. Values are
 * float32; a sink may be walked more than once and gives the same each time.
 */
public sealed interface TensorChange {
    /** Name and shape in the model; type as the model stores it. */
    TensorInfo info();

    /**
     * The whole tensor anew; of any shape if the base lacks it.
     *
     * @param values reads it in row-major order
     * @param factors of the update, if the tensor is the base's plus a product of low rank
     */
    record Replace(TensorInfo info, Values values, Optional<Factors> factors)
            implements TensorChange {
        public Replace(TensorInfo info, Values values) {
            this(info, values, Optional.empty());
        }
    }

    /**
     * Some elements anew, the others as in the base.
     *
     * @param count how many
     * @param entries walks them in ascending order
     */
    record Scatter(TensorInfo info, long count, Entries entries) implements TensorChange {}

    /**
     * An update {@code left · right} of a matrix of the checkpoint, the scale inside.
     *
     * @param left rows × rank
     * @param right rank × columns
     */
    record Factors(int rows, int rank, int columns, Values left, Values right) {}

    /** Reads a dense tensor. */
    @FunctionalInterface
    interface Values {
        /** Puts {@code count} values from flat index {@code first} into {@code into}. */
        void read(long first, float[] into, int count) throws IOException;
    }

    /** Walks a sparse tensor. */
    @FunctionalInterface
    interface Entries {
        void walk(Entry entry) throws IOException;
    }

    /** Sees one element. */
    @FunctionalInterface
    interface Entry {
        /**
         * @param value the model's own value, not a difference
         */
        void put(long index, float value) throws IOException;
    }
}
