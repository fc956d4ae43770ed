package graft.formats.delta;

import graft.formats.tensor.TensorInfo;

/**
 * One tensor of the model as the directory describes it.
 *
 * @param info name, type and shape in the model
 * @param count kept positions
 * @param index how positions are coded
 * @param parameter of the index codec: the Rice parameter, 0 for the others
 * @param indexBytes bytes of coded positions
 * @param values what is stored per position
 * @param scale what a sign stands for; 0 for exact values
 */
public record SparseTensor(
        TensorInfo info,
        long count,
        IndexCodec index,
        int parameter,
        long indexBytes,
        ValueCodec values,
        float scale) {
    /** Largest Rice parameter: gaps of 2^40 positions are beyond any tensor. */
    public static final int MAX_PARAMETER = 40;

    /**
     * @throws IllegalArgumentException if the parts contradict each other
     */
    public SparseTensor {
        boolean sound =
                info.dtype().isComputable()
                        && count >= 0
                        && count <= info.shape().elements()
                        && (count == 0) == (index == IndexCodec.NONE)
                        && (index != IndexCodec.DENSE || count == info.shape().elements())
                        && indexBytes >= 0
                        && parameter >= 0
                        && parameter <= (index == IndexCodec.RICE ? MAX_PARAMETER : 0)
                        && Float.isFinite(scale)
                        && (values == ValueCodec.SIGN || scale == 0);
        if (!sound) {
            throw new IllegalArgumentException(
                    "%s: %d of %s kept, index %s(%d) of %d bytes, values %s · %s"
                            .formatted(
                                    info.name(),
                                    count,
                                    info.shape(),
                                    index.word(),
                                    parameter,
                                    indexBytes,
                                    values.word(),
                                    scale));
        }
    }

    /** Bytes of stored values. */
    public long valueBytes() {
        return values == ValueCodec.SIGN ? (count + 7) / 8 : count * info.dtype().bytes();
    }

    /** Bytes in the blob, positions and values. */
    public long bytes() {
        return Math.addExact(indexBytes, valueBytes());
    }
}
