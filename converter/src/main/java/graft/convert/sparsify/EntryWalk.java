package graft.convert.sparsify;

import graft.convert.select.Threshold;
import graft.formats.delta.DrawnPositions;

import java.io.IOException;

/**
 * Walks the chosen entries of one tensor, tile after tile from the first, passing over residuals of
 * zero. Holds what must be remembered between tiles; not thread-safe, one per pass.
 */
interface EntryWalk {
    /** Visits the chosen entries of one tile; see {@link Threshold#walk}. */
    void tile(long first, float[] base, float[] model, int count, Threshold.Kept kept)
            throws IOException;

    /** A walk of what is above {@code threshold}. */
    static EntryWalk above(Threshold threshold) {
        return new EntryWalk() {
            private long ties = threshold.ties();

            @Override
            public void tile(
                    long first, float[] base, float[] model, int count, Threshold.Kept kept)
                    throws IOException {
                ties = threshold.walk(first, base, model, count, ties, kept);
            }
        };
    }

    /** A walk of the {@code keep} largest of every {@code of}; of equal ones the first. */
    static EntryWalk blocks(int keep, int of) {
        int[] best = new int[keep];
        return (first, base, model, count, kept) -> {
            for (int start = 0; start < count; start += of) {
                int end = Math.min(start + of, count);
                int held = largest(base, model, start, end, best);
                java.util.Arrays.sort(best, 0, held);
                for (int j = 0; j < held; j++) {
                    float u = model[best[j]] - base[best[j]];
                    if (u != 0) {
                        kept.entry(first + best[j], best[j], u);
                    }
                }
            }
        };
    }

    private static int largest(float[] base, float[] model, int start, int end, int[] best) {
        int held = 0;
        for (int i = start; i < end; i++) {
            float magnitude = Math.abs(model[i] - base[i]);
            int at = held;
            while (at > 0 && Math.abs(model[best[at - 1]] - base[best[at - 1]]) < magnitude) {
                at--;
            }
            if (at < best.length) {
                held = Math.min(held + 1, best.length);
                System.arraycopy(best, at, best, at + 1, held - at - 1);
                best[at] = i;
            }
        }
        return held;
    }

    /**
     * A walk of drawn entries; the only one that visits residuals of zero, as readers draw alike.
     */
    static EntryWalk drawn(DrawnPositions drawn) {
        return (first, base, model, count, kept) -> {
            for (int i = 0; i < count; i++) {
                if (drawn.contains(first + i)) {
                    kept.entry(first + i, i, model[i] - base[i]);
                }
            }
        };
    }
}
