package graft.formats.delta;

import java.io.IOException;
import java.io.OutputStream;

/** Codes integers into bytes by {@link IntegerModel}. Not thread-safe. */
final class IntegerEncoder {
    private final RangeEncoder range;
    private final IntegerModel model;

    /**
     * @param out gets all bytes by {@link #finish}; stays open
     * @param dithered whether integers are {@code rint(x + r − ½)}; otherwise {@code sign(x)·⌊|x| +
     *     r⌋}
     */
    IntegerEncoder(OutputStream out, boolean dithered) {
        this.range = new RangeEncoder(out);
        this.model = new IntegerModel(dithered);
    }

    /**
     * Codes the next integer.
     *
     * @param r by which it was rounded, from [0, 1)
     * @throws IllegalArgumentException if it is beyond ±2^24
     */
    void add(int value, double r) throws IOException {
        int magnitude = Math.abs(value);
        if (magnitude > IntegerModel.LARGEST || magnitude < 0) {
            throw new IllegalArgumentException("%d is beyond ±2^24".formatted(value));
        }
        model.start(r);
        bit(model.zeroContext(), magnitude == 0 ? 0 : 1);
        if (magnitude != 0) {
            bit(model.signContext(), model.isFavoured(value < 0) ? 0 : 1);
            int reached = 1;
            while (reached <= IntegerModel.UNARY) {
                bit(model.magnitudeContext(reached), magnitude == reached ? 0 : 1);
                if (magnitude == reached) {
                    break;
                }
                reached++;
            }
            if (reached > IntegerModel.UNARY) {
                gamma(magnitude - IntegerModel.UNARY);
            }
        }
        model.finish(magnitude);
    }

    private void gamma(int value) throws IOException {
        int length = 31 - Integer.numberOfLeadingZeros(value);
        for (int i = 0; i < length; i++) {
            bit(model.gammaContext(i), 1);
        }
        bit(model.gammaContext(length), 0);
        for (int i = length - 1; i >= 0; i--) {
            range.encode(value >> i & 1, 1 << 15);
        }
    }

    private void bit(int context, int bit) throws IOException {
        range.encode(bit, model.probability(context));
        model.learn(context, bit);
    }

    /** Writes the last bytes. */
    void finish() throws IOException {
        range.finish();
    }
}
