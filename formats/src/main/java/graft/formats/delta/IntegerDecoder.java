package graft.formats.delta;

import java.lang.foreign.MemorySegment;

/** Reads what {@link IntegerEncoder} wrote; any bytes decode to something. Not thread-safe. */
final class IntegerDecoder {
    private static final int TOO_LONG = 25;

    private final RangeDecoder range;
    private final IntegerModel model;

    IntegerDecoder(MemorySegment bytes, boolean dithered) {
        this.model = new IntegerModel(dithered);
        this.range = new RangeDecoder(bytes);
    }

    /** The next integer, which was rounded with {@code r}. */
    int next(double r) {
        model.start(r);
        int magnitude = 0;
        boolean negative = false;
        if (bit(model.zeroContext()) == 1) {
            negative = bit(model.signContext()) == 0 == model.isFavoured(true);
            magnitude = 1;
            while (magnitude <= IntegerModel.UNARY && bit(model.magnitudeContext(magnitude)) == 1) {
                magnitude++;
            }
            if (magnitude > IntegerModel.UNARY) {
                magnitude = IntegerModel.UNARY + gamma();
            }
        }
        model.finish(magnitude);
        return negative ? -magnitude : magnitude;
    }

    private int gamma() {
        int length = 0;
        while (length < TOO_LONG && bit(model.gammaContext(length)) == 1) {
            length++;
        }
        int value = 1;
        for (int i = 0; i < length; i++) {
            value = value << 1 | range.decode(1 << 15);
        }
        return value;
    }

    private int bit(int context) {
        int bit = range.decode(model.probability(context));
        model.learn(context, bit);
        return bit;
    }

    /** Bytes that no integer read depends on. */
    long left() {
        return range.left();
    }
}
