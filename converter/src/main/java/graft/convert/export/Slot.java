package graft.convert.export;

import graft.formats.tensor.DType;

/**
 * A place in a graph where an adapter's module goes.
 *
 * @param module path of the module as the graph's maker knows it
 * @param kind what happens there
 * @param a input for Aᵀ, (in, rank); gaps of sparse values; for a whole tensor its only input
 * @param b input for s·Bᵀ, (rank, out); sparse values; empty for a whole tensor
 * @param in features read, or rows of an embedding or initializer
 * @param out features written, or columns
 * @param type of both inputs, or of values
 * @param rank that the graph insists on, or {@link #ANY_RANK}
 */
record Slot(
        String module, Kind kind, String a, String b, long in, long out, DType type, long rank) {
    static final long ANY_RANK = -1;

    /** For a whole tensor. */
    static Slot whole(String tensor, String input, DType type) {
        return new Slot(tensor, Kind.whole, input, "", 0, 0, type, ANY_RANK);
    }

    /** What a slot does. */
    enum Kind {
        /** Adds x·A·B to the output of a linear layer. */
        linear,
        /** Adds rows of A·B to the rows gathered. */
        embedding,
        /** Adds A·B to the kernel of a convolution, {@code in} being channels times extent. */
        convolution,
        /** Scatters values over an initializer, at the sums of the gaps before them. */
        sparse,
        /** Takes the place of an initializer: a head. */
        whole
    }
}
