package graft.convert.sparsify;

import graft.formats.delta.ValueCodec;
import graft.formats.tensor.Shape;

/** What is stored per kept entry. */
public enum Values {
    /** The fine-tune's own value, bit for bit. */
    exact,
    /** The residual in half precision. */
    f16,
    /** The residual in bfloat16. */
    bf16,
    /** Sign and three bits of magnitude, in groups. */
    int4,
    /** The sign of the residual; one scale per tensor. */
    sign,
    /** The sign; a scale per row of a matrix. */
    signrow;

    ValueCodec codec(Shape shape) {
        return switch (this) {
            case exact -> ValueCodec.EXACT;
            case f16 -> ValueCodec.F16;
            case bf16 -> ValueCodec.BF16;
            case int4 -> ValueCodec.INT4;
            case sign -> ValueCodec.SIGN;
            case signrow -> shape.rank() > 1 ? ValueCodec.SIGN_ROW : ValueCodec.SIGN;
        };
    }
}
