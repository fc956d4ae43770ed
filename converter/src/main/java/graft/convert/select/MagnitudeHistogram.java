package graft.convert.select;

import graft.convert.ConversionException;
import graft.convert.plan.TensorPair;
import graft.formats.FileSpot;

import java.io.IOException;

/**
 * Counts residuals by magnitude, in two passes of 16 bits each: exact selection in O(1) memory, and
 * counts that add up over tensors in any order.
 */
final class MagnitudeHistogram {
    /** The top 16 bits of a non-negative finite float32. */
    static final int HIGH_BINS = 0x7f80;

    static final int LOW_BINS = 1 << 16;

    static final int INFINITY_BITS = 0x7f800000;

    /** The largest finite magnitude. */
    static final int LARGEST = INFINITY_BITS - 1;

    private MagnitudeHistogram() {}

    /**
     * Adds every entry to the bin of its top 16 bits.
     *
     * @throws ConversionException.UnusableValues if one is NaN or infinite, which would sort on top
     */
    static void addHigh(TensorPair pair, long[] high) throws IOException {
        pair.walk((first, base, model, count) -> {
            for (int i = 0; i < count; i++) {
                int magnitude = magnitude(base[i], model[i]);
                if (magnitude >= INFINITY_BITS) {
                    throw notFinite(pair, first + i, base[i], model[i]);
                }
                high[magnitude >>> 16]++;
            }
        });
    }

    /** Adds every entry of one high bin to the bin of its low 16 bits. */
    static void addLow(TensorPair pair, int highBin, long[] low) throws IOException {
        pair.walk((_, base, model, count) -> {
            for (int i = 0; i < count; i++) {
                int magnitude = magnitude(base[i], model[i]);
                if (magnitude >>> 16 == highBin) {
                    low[magnitude & 0xffff]++;
                }
            }
        });
    }

    static int magnitude(float base, float model) {
        return Float.floatToRawIntBits(model - base) & Integer.MAX_VALUE;
    }

    /**
     * @throws ConversionException.UnusableValues at the first NaN or infinity
     */
    static void checkFinite(TensorPair pair) throws IOException {
        pair.walk((first, base, model, count) -> {
            for (int i = 0; i < count; i++) {
                if (magnitude(base[i], model[i]) >= INFINITY_BITS) {
                    throw notFinite(pair, first + i, base[i], model[i]);
                }
            }
        });
    }

    static ConversionException notFinite(TensorPair pair, long index, float base, float model) {
        return new ConversionException.UnusableValues(
                "tensor %s: element %d is %s in the fine-tune and %s in the base"
                        .formatted(FileSpot.quote(pair.model().name()), index, model, base),
                "training diverged or a file is damaged; get the model again");
    }
}
