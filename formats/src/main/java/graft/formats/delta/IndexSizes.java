package graft.formats.delta;

/**
 * Adds up what the positions of one tensor would cost under every codec, and names the cheapest.
 * Feed it every kept position in ascending order. Not thread-safe.
 */
public final class IndexSizes {
    /**
     * Up to here a parameter may pay: above, bitmaps and u16 gaps have long won or nothing is kept.
     */
    private static final int PARAMETERS = 28;

    /** Gaps below are only counted until somebody asks: nearly all are. */
    private static final int SHORT = 4096;

    private final long elements;
    private final int[] gaps = new int[SHORT];
    private final long[] quotients = new long[PARAMETERS];
    private long previous = -1;
    private long count;
    private long u8;
    private long u16;

    /**
     * @param elements positions of the tensor
     */
    public IndexSizes(long elements) {
        this.elements = elements;
    }

    /** The next kept position. */
    public void add(long index) {
        long gap = index - previous - 1;
        previous = index;
        count++;
        if (gap >= SHORT) {
            add(gap, 1);
        } else if (++gaps[(int) gap] == Integer.MAX_VALUE) {
            addShort();
        }
    }

    /** The first {@code some} of {@code indices}. */
    public void add(int[] indices, int some) {
        if (count > Integer.MAX_VALUE - some) { // a gap might be counted too often for an int
            for (int j = 0; j < some; j++) {
                add(indices[j]);
            }
            return;
        }
        long last = previous;
        for (int j = 0; j < some; j++) {
            long gap = indices[j] - last - 1;
            last = indices[j];
            if (gap >= SHORT) {
                add(gap, 1);
            } else {
                gaps[(int) gap]++;
            }
        }
        previous = last;
        count += some;
    }

    private void add(long gap, long times) {
        u8 += times * (1 + gap / 255);
        u16 += times * 2 * (1 + gap / 65535);
        for (int k = 0; k < PARAMETERS; k++) {
            quotients[k] += times * (gap >> k);
        }
    }

    private void addShort() {
        for (int gap = 0; gap < SHORT; gap++) {
            if (gaps[gap] > 0) {
                add(gap, gaps[gap]);
                gaps[gap] = 0;
            }
        }
    }

    /** Positions added. */
    public long count() {
        return count;
    }

    /** A codec, its parameter and the bytes it takes. */
    public record Choice(IndexCodec codec, int parameter, long bytes) {}

    /** The cheapest; of equal ones the simplest. */
    public Choice cheapest() {
        if (count == 0) {
            return new Choice(IndexCodec.NONE, 0, 0);
        }
        if (count == elements) {
            return new Choice(IndexCodec.DENSE, 0, 0);
        }
        addShort();
        var best = new Choice(IndexCodec.BITMAP, 0, (elements + 7) / 8);
        best = better(best, new Choice(IndexCodec.U8_GAP, 0, u8));
        best = better(best, new Choice(IndexCodec.U16_GAP, 0, u16));
        for (int k = 0; k < PARAMETERS; k++) {
            long bits = quotients[k] + count * (k + 1);
            best = better(best, new Choice(IndexCodec.RICE, k, (bits + 7) / 8));
        }
        return best;
    }

    private static Choice better(Choice old, Choice other) {
        return other.bytes() < old.bytes() ? other : old;
    }
}
