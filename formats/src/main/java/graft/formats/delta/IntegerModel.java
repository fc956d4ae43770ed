package graft.formats.delta;

import java.util.Arrays;

/**
 * The adaptive model behind coded integers, the same in encoder and decoder. An integer is a few
 * binary decisions: zero or not, the sign, then the magnitude in unary up to {@link #UNARY}, beyond
 * it Elias gamma. Each decision has a probability that starts at one half and follows the counts.
 * Integer arithmetic only. Not thread-safe.
 *
 * <p>Both ends know the random number r that rounded the element, so it is part of the context: an
 * element whose r lies far from where rounding changes is almost surely zero and costs almost
 * nothing (entropy-coded dithered quantisation, Ziv 1985; Zamir and Feder 1992). Measured at a step
 * of 4 rms: 0.67 bits an element, where the order-0 entropy of the integers is 0.90. The other part
 * is how large the integers just before were: rows of an embedding that training never touched stay
 * cheap. Adaptive, so that no table is stored.
 */
final class IntegerModel {
    /** Largest magnitude coded in unary. */
    static final int UNARY = 14;

    /** Largest magnitude that can be coded. */
    static final int LARGEST = 1 << 24;

    private static final int ACTIVITIES = 4;
    private static final int DISTANCES = 12;
    private static final int SLOWEST = 250; // decisions over which a probability averages at most
    private static final int GAMMA_BITS = 26;

    private static final int CONTEXTS = ACTIVITIES * DISTANCES;
    private static final int SIGN = CONTEXTS;
    private static final int MAGNITUDE = SIGN + DISTANCES;
    private static final int GAMMA = MAGNITUDE + ACTIVITIES * UNARY;

    private final boolean dithered;
    private final int[] zero = new int[GAMMA + GAMMA_BITS];
    private final int[] seen = new int[zero.length];
    private int activity;
    private int distance;
    private int favoured;

    /**
     * @param dithered whether integers are {@code rint(x + r − ½)}; otherwise {@code sign(x)·⌊|x| +
     *     r⌋}
     */
    IntegerModel(boolean dithered) {
        this.dithered = dithered;
        Arrays.fill(zero, 1 << 15);
    }

    /** The next integer was rounded with {@code r}, from [0, 1). */
    void start(double r) {
        double near = dithered ? Math.min(r, 1 - r) : (1 - r) / 2; // in (0, ½]
        favoured = !dithered ? 0 : r < 0.5 ? -1 : 1;
        if (near >= 1.0 / 16) {
            distance = 4 + Math.min((int) (near * 16) - 1, 7);
        } else if (near >= 1.0 / 64) {
            distance = near >= 1.0 / 32 ? 3 : 2;
        } else {
            distance = near >= 1.0 / 256 ? 1 : 0;
        }
    }

    /** Where to look up whether the integer is zero. */
    int zeroContext() {
        return level() * DISTANCES + distance;
    }

    /** Where to look up whether its sign is not the {@linkplain #isFavoured likelier} one. */
    int signContext() {
        return SIGN + distance;
    }

    /** Whether r makes this sign the likelier; without dither the positive one counts as such. */
    boolean isFavoured(boolean negative) {
        return negative == favoured < 0;
    }

    /** Where to look up whether a magnitude is {@code reached} or more. */
    int magnitudeContext(int reached) {
        return MAGNITUDE + level() * UNARY + reached - 1;
    }

    /** Where to look up the {@code bit}-th bit of the length of an Elias gamma code. */
    int gammaContext(int bit) {
        return GAMMA + Math.min(bit, GAMMA_BITS - 1);
    }

    /** Of the running mean of magnitudes, in steps of four. */
    private int level() {
        return Math.min(ACTIVITIES - 1, (33 - Integer.numberOfLeadingZeros(activity >>> 5)) / 2);
    }

    /** Probability of a 0 in 1/65536. */
    int probability(int context) {
        return Math.clamp(zero[context], 2, 65536 - 2);
    }

    /** Learns one decision. */
    void learn(int context, int bit) {
        int count = seen[context];
        int target = bit == 0 ? 65536 : 0;
        zero[context] += (target - zero[context]) / (count + 2);
        if (count < SLOWEST) {
            seen[context] = count + 1;
        }
    }

    /** Learns how large the integer was. */
    void finish(int magnitude) {
        activity += (Math.min(magnitude, 15) << 12) - activity >> 5;
    }
}
