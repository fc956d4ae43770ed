package graft.convert.export;

import graft.formats.tensor.Shape;

import java.util.Locale;

/**
 * How a tensor lies in an initializer: as it is or with rows and columns swapped, as the whole of
 * it or as a run of its rows or columns, and with value {@code scale · x + shift}.
 *
 * @param isTransposed rows and columns swapped: exporters fold a linear layer's transpose
 * @param axis along which the initializer holds several tensors, or {@link #WHOLE}
 * @param from first index along that axis; 0 for a whole
 * @param scale such as 1/√d, which some exporters fold into a query
 * @param shift such as 1, which exporters fold into a norm that computes with 1 + w
 */
public record Layout(boolean isTransposed, int axis, long from, float scale, float shift) {
    /** No axis: the initializer holds one tensor alone. */
    public static final int WHOLE = -1;

    static final Layout IDENTITY = new Layout(false, WHOLE, 0, 1, 0);
    static final Layout TRANSPOSE = new Layout(true, WHOLE, 0, 1, 0);

    static Layout whole(boolean transposed) {
        return transposed ? TRANSPOSE : IDENTITY;
    }

    static Layout part(boolean transposed, int axis, long from) {
        return new Layout(transposed, axis, from, 1, 0);
    }

    Layout valued(float scale, float shift) {
        return new Layout(isTransposed, axis, from, scale, shift);
    }

    /** Whether the initializer holds nothing else. */
    public boolean isWhole() {
        return axis == WHOLE;
    }

    /** Whether values are the tensor's own. */
    public boolean isExact() {
        return scale == 1 && shift == 0;
    }

    float value(float x) {
        return isExact() ? x : scale * x + shift;
    }

    /** The shape of a tensor as it lies in the initializer. */
    Shape lying(Shape tensor) {
        return isTransposed ? Shape.of(tensor.extent(1), tensor.extent(0)) : tensor;
    }

    /** First row of the initializer that holds anything of the tensor. */
    long rowFrom() {
        return axis == 0 ? from : 0;
    }

    /** First column, all axes but the first taken as columns. */
    long columnFrom() {
        return axis == 1 ? from : 0;
    }

    /** {@code identity}, {@code transpose}, {@code transpose, columns from 64}, … */
    public String word() {
        var text = new StringBuilder(isTransposed ? "transpose" : "identity");
        if (!isWhole()) {
            text.append(axis == 0 ? ", rows from " : ", columns from ").append(from);
        }
        if (scale != 1) {
            text.append(String.format(Locale.ROOT, ", times %s", scale));
        }
        if (shift != 0) {
            text.append(String.format(Locale.ROOT, ", plus %s", shift));
        }
        return text.toString();
    }
}
