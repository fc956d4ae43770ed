package graft.convert.export;

import graft.formats.tensor.DType;
import graft.formats.tensor.Elements;
import graft.formats.tensor.TensorInfo;

import java.lang.foreign.MemorySegment;

/** Compares a tensor with the place where it may lie in an initializer, value by value. */
final class TensorValues {
    private static final int TILE = 1 << 12;
    private static final int PROBES = 8;

    /** Bounds of what onnxconverter-common and ONNX Runtime leave of float32 in float16. */
    private static final float TINY = 1e-7f;

    private static final float LARGE = 1e4f;

    private final TensorInfo initializer;
    private final MemorySegment bytes;
    private final long columns;
    private final float[] one = new float[1];

    /**
     * @param initializer of one or more axes
     */
    TensorValues(TensorInfo initializer, MemorySegment bytes) {
        this.initializer = initializer;
        this.bytes = bytes;
        this.columns = columns(initializer);
    }

    /** Elements per step of the first axis; a vector is one row. */
    static long columns(TensorInfo info) {
        long rows = rows(info);
        return rows == 0 ? 0 : info.shape().elements() / rows;
    }

    static long rows(TensorInfo info) {
        return info.shape().rank() < 2 ? 1 : info.shape().extent(0);
    }

    /**
     * Whether every element is {@code layout}'s value of the tensor's, rounded once to the type; in
     * float16 also what converters make of values that it hardly holds.
     */
    boolean equals(TensorInfo tensor, MemorySegment values, Layout layout) {
        return holds(tensor, values, layout, 0);
    }

    /** As {@link #equals}, but off by up to {@code ulps} units in the last place of float32. */
    boolean holds(TensorInfo tensor, MemorySegment values, Layout layout, int ulps) {
        long elements = tensor.shape().elements();
        long step = Math.max(1, elements / PROBES);
        float[] tile = new float[(int) Math.clamp(elements, 1, TILE)];
        for (long at = 0; at < elements; at += step) { // most candidates fail here
            Elements.widen(tensor.dtype(), values, at, tile, 0, 1);
            if (!agrees(tensor, layout, at, tile[0], ulps)) {
                return false;
            }
        }
        for (long first = 0; first < elements; first += tile.length) {
            int count = (int) Math.min(tile.length, elements - first);
            Elements.widen(tensor.dtype(), values, first, tile, 0, count);
            for (int i = 0; i < count; i++) {
                if (!agrees(tensor, layout, first + i, tile[i], ulps)) {
                    return false;
                }
            }
        }
        return true;
    }

    private boolean agrees(TensorInfo tensor, Layout layout, long index, float value, int ulps) {
        DType type = initializer.dtype();
        float expected = Elements.round(type, layout.value(value));
        float found = at(place(tensor, layout, index));
        if (ulps == 0) {
            return Float.floatToRawIntBits(expected) == Float.floatToRawIntBits(found)
                    || type == DType.F16 && isClamped(layout.value(value), found);
        }
        float unit = Math.max(Math.ulp(expected), Math.ulp(layout.shift()));
        return Math.abs(expected - found) <= ulps * unit;
    }

    /**
     * Whether a converter ({@code convert_float_to_float16}) made {@code found} of the value: it
     * raises the magnitudes below 1e-7, or below float16's smallest, to that, and cuts those above
     * 1e4, or above float16's largest.
     */
    private static boolean isClamped(float value, float found) {
        float size = Math.abs(value);
        float kept = found * Math.signum(value);
        return size > 0 && size < TINY && (kept == 0x1p-24f || kept == 0x1p-23f)
                || size > LARGE && kept == LARGE
                || size > 65504 && kept == 65504;
    }

    /** The initializer's element at a flat index. */
    float at(long index) {
        Elements.widen(initializer.dtype(), bytes, index, one, 0, 1);
        return one[0];
    }

    /** Where in the initializer the tensor's element {@code index} lies. */
    long place(TensorInfo tensor, Layout layout, long index) {
        return place(columns, columns(tensor), layout, index);
    }

    /**
     * @param wide columns of the initializer
     * @param narrow columns of the tensor
     */
    static long place(long wide, long narrow, Layout layout, long index) {
        if (layout.equals(Layout.IDENTITY)) {
            return index;
        }
        long row = index / narrow;
        long column = index % narrow;
        return layout.isTransposed()
                ? (layout.rowFrom() + column) * wide + layout.columnFrom() + row
                : (layout.rowFrom() + row) * wide + layout.columnFrom() + column;
    }
}
