package graft.formats.delta;

/**
 * A random share of a tensor's positions that takes no bytes: position i is in it if the {@link
 * CounterRandom} of seed XOR 2^31 draws below the share. A value, safe from any thread.
 */
public final class DrawnPositions {
    /** The parameter of a share of 1. */
    public static final int ALL = 1 << 30;

    private final CounterRandom random;
    private final double share;

    /**
     * @param name tensor
     * @param seed of the delta
     * @param parameter the share in 2^-30
     */
    public DrawnPositions(String name, long seed, int parameter) {
        this.random = new CounterRandom(name, seed ^ 1L << 31);
        this.share = parameter * 0x1p-30;
    }

    /** The parameter nearest to {@code share}, but not 0. */
    public static int parameter(double share) {
        return (int) Math.clamp(Math.round(share * ALL), 1, ALL);
    }

    /** Whether {@code index} is drawn. */
    public boolean contains(long index) {
        return random.at(index) < share;
    }

    /** The first drawn position after {@code position}; {@code end} if there is none below it. */
    long next(long position, long end) {
        long next = position + 1;
        while (next < end && !contains(next)) {
            next++;
        }
        return next;
    }
}
