package graft.formats.delta;

import graft.formats.tensor.Shape;
import graft.formats.tensor.TensorInfo;

/**
 * One tensor of the model as the directory describes it.
 *
 * @param info name, type and shape in the model
 * @param count kept positions
 * @param index how positions are coded
 * @param parameter of the index codec: the Rice parameter, the density of drawn positions, 0 for
 *     the others
 * @param indexBytes bytes of coded positions
 * @param values what is stored per position
 * @param valueBytes bytes of stored values
 * @param scale what a sign or a step stands for; 0 for values without
 */
public record SparseTensor(
        TensorInfo info,
        long count,
        IndexCodec index,
        int parameter,
        long indexBytes,
        ValueCodec values,
        long valueBytes,
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
                        && values.goesWith(index)
                        && indexBytes >= 0
                        && parameter >= 0
                        && parameter <= largestParameter(index)
                        && Float.isFinite(scale)
                        && (values.isScaled() || scale == 0)
                        && isSize(valueBytes, values, count, info);
        if (!sound) {
            throw new IllegalArgumentException(
                    "%s: %d of %s kept, index %s(%d) of %d bytes, values %s · %s of %d bytes"
                            .formatted(
                                    info.name(),
                                    count,
                                    info.shape(),
                                    index.word(),
                                    parameter,
                                    indexBytes,
                                    values.word(),
                                    scale,
                                    valueBytes));
        }
    }

    private static int largestParameter(IndexCodec index) {
        return switch (index) {
            case RICE -> MAX_PARAMETER;
            case DRAWN -> DrawnPositions.ALL;
            case NONE, DENSE, BITMAP, U8_GAP, U16_GAP, CODED -> 0;
        };
    }

    private static boolean isSize(long bytes, ValueCodec values, long count, TensorInfo info) {
        return values.isCoded()
                ? bytes >= 0
                : bytes == values.bytes(count, rows(info.shape()), info.dtype());
    }

    /** A tensor that keeps nothing. */
    public static SparseTensor empty(TensorInfo info, ValueCodec values) {
        return new SparseTensor(info, 0, IndexCodec.NONE, 0, 0, values, 0, 0);
    }

    /**
     * Extents of the first axis, each with a scale of its own under {@link ValueCodec#SIGN_ROW}.
     */
    public static long rows(Shape shape) {
        return shape.rank() > 1 ? shape.extent(0) : 1;
    }

    /** Bytes in the blob, positions and values. */
    public long bytes() {
        return Math.addExact(indexBytes, valueBytes);
    }
}
