package graft.convert.export;

import graft.formats.tensor.DType;
import graft.formats.tensor.Shape;

import java.util.Arrays;

/**
 * A place in a graph where an adapter's module goes.
 *
 * @param module path of the module as the graph's maker knows it
 * @param kind what happens there
 * @param a input for Aᵀ, {@code read} and rank; gaps of sparse values; for a whole tensor its only
 *     input
 * @param b input for s·Bᵀ, (rank, out); sparse values; empty for a whole tensor
 * @param read features read, or rows of an embedding or initializer; of a convolution channels and
 *     extents of the kernel
 * @param out features written, or columns
 * @param type of both inputs, or of values
 * @param rank that the graph insists on, or {@link #ANY_RANK}
 */
record Slot(
        String module, Kind kind, String a, String b, Shape read, long out, DType type, long rank) {
    static final long ANY_RANK = -1;

    /** Features read, in all. */
    long in() {
        return read.elements();
    }

    /** The shape of {@link #a}. */
    Shape ofA(long rank) {
        long[] extents = Arrays.copyOf(read.toArray(), read.rank() + 1);
        extents[read.rank()] = rank;
        return Shape.of(extents);
    }

    /** For a whole tensor. */
    static Slot whole(String tensor, String input, DType type) {
        return new Slot(tensor, Kind.whole, input, "", Shape.of(0), 0, type, ANY_RANK);
    }

    /** What a slot does. */
    enum Kind {
        /** Adds x·A·B to the output of a linear layer. */
        linear,
        /** Adds rows of A·B to the rows gathered. */
        embedding,
        /** Adds A·B to the kernel of a convolution. */
        convolution,
        /** Scatters values over an initializer, at the sums of the gaps before them. */
        sparse,
        /** Takes the place of an initializer: a head. */
        whole
    }
}
