package graft.formats.tensor;

import java.util.Arrays;
import java.util.stream.Collectors;

/**
 * The extent of a tensor along each axis; no axes for a scalar. Immutable.
 *
 * <p>Extents are not negative and their product fits a {@code long}, so {@link #elements} cannot
 * fail.
 */
public final class Shape {
    private final long[] extents;
    private final long elements;

    private Shape(long[] extents, long elements) {
        this.extents = extents;
        this.elements = elements;
    }

    /**
     * @throws IllegalArgumentException if an extent is negative
     * @throws ArithmeticException if the product overflows, a later zero notwithstanding (as in the
     *     reference crate)
     */
    public static Shape of(long... extents) {
        long elements = 1;
        for (long extent : extents) {
            if (extent < 0) {
                throw new IllegalArgumentException(
                        "negative extent in " + Arrays.toString(extents));
            }
            elements = Math.multiplyExact(elements, extent);
        }
        return new Shape(extents.clone(), elements);
    }

    /** Number of axes. */
    public int rank() {
        return extents.length;
    }

    /** Extent of axis {@code axis}. */
    public long extent(int axis) {
        return extents[axis];
    }

    /** Product of all extents; 1 for a scalar. */
    public long elements() {
        return elements;
    }

    /** A copy of the extents. */
    public long[] toArray() {
        return extents.clone();
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof Shape shape && Arrays.equals(extents, shape.extents);
    }

    @Override
    public int hashCode() {
        return Arrays.hashCode(extents);
    }

    /** {@code [3000, 96]}. */
    @Override
    public String toString() {
        return Arrays.stream(extents)
                .mapToObj(Long::toString)
                .collect(Collectors.joining(", ", "[", "]"));
    }
}
