package graft.formats.archive;

import java.util.Arrays;

/**
 * Prefix codes for the values of a block, one per table, of up to {@link #LONGEST} bits:
 * frequencies as powers of two. What is written of a code is the <i>size</i> of each symbol, 0
 * where it does not occur and else 13 less the bits of its code word; a code word's share of all
 * words is then 2^(size − 1) / 4096. Symbols get their words in order of size, largest first, then
 * of number.
 */
final class HuffmanCode {
    static final int LONGEST = 12;
    static final int TOTAL = 1 << LONGEST;

    /** Bits of a decoder's entry that hold a word's length; as many as a shift looks at. */
    static final int LENGTH_BITS = 6;

    private static final int LARGEST = LONGEST + 1;

    private HuffmanCode() {}

    /**
     * The sizes of a code that is as short as any with words of up to 12 bits.
     *
     * @param counts from {@code from}; a symbol with none has no word
     * @param sizes written from {@code from}
     */
    static void sizes(int[] counts, int from, int symbols, byte[] sizes) {
        long[] byCount = new long[symbols];
        int used = 0;
        for (int symbol = 0; symbol < symbols; symbol++) {
            sizes[from + symbol] = 0;
            if (counts[from + symbol] > 0) {
                byCount[used++] = (long) counts[from + symbol] << 8 | symbol;
            }
        }
        if (used == 0) {
            sizes[from] = LARGEST; // never used, but every table must be one
            return;
        }
        Arrays.sort(byCount, 0, used);
        long[] ascending = new long[used];
        for (int i = 0; i < used; i++) {
            ascending[i] = byCount[i] >>> 8;
        }
        byte[] lengths = lengths(ascending, used);
        for (int i = 0; i < used; i++) {
            sizes[from + (int) (byCount[i] & 0xff)] = (byte) (LARGEST - lengths[i]);
        }
    }

    /**
     * The lengths of words for ascending counts, by merging packages (L. Larmore, D. Hirschberg, "A
     * fast algorithm for optimal length-limited Huffman codes", 1990): a level holds the symbols
     * and the pairs of the level before, in order of weight, and a word is as long as levels have
     * its symbol among those needed.
     */
    private static byte[] lengths(long[] counts, int used) {
        byte[] lengths = new byte[used];
        long[] level = counts;
        int size = used;
        var isSymbol = new boolean[LONGEST][2 * used];
        for (int i = 0; i < used; i++) {
            isSymbol[0][i] = true;
        }
        for (int l = 1; l < LONGEST; l++) {
            long[] merged = new long[2 * used];
            int symbol = 0;
            int pair = 0;
            int count = used + size / 2;
            for (int i = 0; i < count; i++) {
                long two = pair < size / 2 ? level[2 * pair] + level[2 * pair + 1] : Long.MAX_VALUE;
                isSymbol[l][i] = symbol < used && counts[symbol] <= two;
                merged[i] = isSymbol[l][i] ? counts[symbol++] : two;
                pair += isSymbol[l][i] ? 0 : 1;
            }
            level = merged;
            size = count;
        }
        int needed = 2 * used - 2;
        for (int l = LONGEST - 1; l >= 0 && needed > 0; l--) {
            int symbols = 0;
            for (int i = 0; i < needed; i++) {
                symbols += isSymbol[l][i] ? 1 : 0;
            }
            for (int i = 0; i < symbols; i++) {
                lengths[i]++;
            }
            needed = 2 * (needed - symbols);
        }
        return lengths;
    }

    /** Per symbol, the change in size from the symbol before, zig-zag and gamma. */
    static void write(byte[] sizes, int from, int symbols, BitWriter out) {
        int last = 0;
        for (int i = from; i < from + symbols; i++) {
            int change = sizes[i] - last;
            out.putGamma((change << 1 ^ change >> 31) + 1);
            last = sizes[i];
        }
    }

    static void read(BitReader in, byte[] sizes, int symbols) throws CorruptBlockException {
        int size = 0;
        int sum = 0;
        for (int symbol = 0; symbol < symbols; symbol++) {
            int zigzag = in.getGamma() - 1;
            size += zigzag >>> 1 ^ -(zigzag & 1);
            if (size < 0 || size > LARGEST) {
                throw new CorruptBlockException("a code word of size %d".formatted(size));
            }
            sizes[symbol] = (byte) size;
            sum += 1 << size >> 1;
        }
        if (sum != TOTAL) {
            throw new CorruptBlockException(
                    "code words add up to %d, not %d".formatted(sum, TOTAL));
        }
    }

    /**
     * For the encoder, by value: the word in the highest bits, its first bit lowest, and in the six
     * lowest its length.
     *
     * @param values of the symbols
     */
    static void words(byte[] sizes, int from, int symbols, int[] values, long[] words) {
        int at = 0;
        for (int size = LARGEST; size > 0; size--) {
            int length = LARGEST - size;
            for (int symbol = 0; symbol < symbols; symbol++) {
                if (sizes[from + symbol] == size) {
                    words[values[symbol]] = (long) reversed(at) << -length | length;
                    at += 1 << size - 1;
                }
            }
        }
    }

    /**
     * For the decoder, by the next 12 bits: value {@code << 6}, and the length of its word.
     *
     * @param entries 4096 long
     */
    static void entries(byte[] sizes, int symbols, int[] values, char[] entries) {
        int at = 0;
        for (int size = LARGEST; size > 0; size--) {
            int length = LARGEST - size;
            for (int symbol = 0; symbol < symbols; symbol++) {
                if (sizes[symbol] == size) {
                    char entry = (char) (values[symbol] << LENGTH_BITS | length);
                    for (int i = reversed(at); i < TOTAL; i += 1 << length) {
                        entries[i] = entry;
                    }
                    at += 1 << size - 1;
                }
            }
        }
    }

    private static int reversed(int word) {
        return Integer.reverse(word) >>> 32 - LONGEST;
    }
}
