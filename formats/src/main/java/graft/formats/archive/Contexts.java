package graft.formats.archive;

/**
 * Joins neighbouring contexts into at most {@link SymbolModel#MAX_TABLES} tables, as long as a
 * table of its own costs more than it saves. Greedy, cheapest join first; deterministic.
 *
 * @param tables how many remain
 * @param tableOf the table of each context, ascending from 0
 * @param counts of the tables, by {@code table << 8 | symbol}
 * @param bits that all tables and what they code take
 */
record Contexts(int tables, byte[] tableOf, int[] counts, double bits) {
    /**
     * @param counts by {@code context << 8 | symbol}; used up
     */
    static Contexts join(int[] counts, int contexts, int symbols) {
        byte[] tableOf = new byte[contexts];
        int tables = 0;
        for (int context = 0; context < contexts; context++) { // leave the empty ones out
            if (isEmpty(counts, context, symbols)) {
                tableOf[context] = (byte) Math.max(0, tables - 1);
            } else {
                System.arraycopy(counts, context << 8, counts, tables << 8, symbols);
                tableOf[context] = (byte) tables++;
            }
        }
        double[] cost = new double[tables];
        double[] joined = new double[tables];
        for (int i = 0; i < tables; i++) {
            cost[i] = SymbolModel.cost(counts, i << 8, symbols);
        }
        int[] scratch = new int[symbols];
        for (int i = 0; i + 1 < tables; i++) {
            joined[i] = joinedCost(counts, i, symbols, scratch);
        }
        while (tables > 1) {
            int best = 0;
            for (int i = 1; i + 1 < tables; i++) {
                if (joined[i] - cost[i] - cost[i + 1]
                        < joined[best] - cost[best] - cost[best + 1]) {
                    best = i;
                }
            }
            if (tables <= SymbolModel.MAX_TABLES && joined[best] >= cost[best] + cost[best + 1]) {
                break;
            }
            for (int s = 0; s < symbols; s++) {
                counts[best << 8 | s] += counts[best + 1 << 8 | s];
            }
            tables--;
            int moved = tables - best - 1;
            System.arraycopy(counts, best + 2 << 8, counts, best + 1 << 8, moved << 8);
            cost[best] = joined[best];
            System.arraycopy(cost, best + 2, cost, best + 1, moved);
            System.arraycopy(joined, best + 1, joined, best, moved);
            for (int i = Math.max(0, best - 1); i <= best && i + 1 < tables; i++) {
                joined[i] = joinedCost(counts, i, symbols, scratch);
            }
            for (int i = 0; i < contexts; i++) {
                tableOf[i] -= (byte) (tableOf[i] > best ? 1 : 0);
            }
        }
        double bits = 0;
        for (int i = 0; i < tables; i++) {
            bits += cost[i];
        }
        return new Contexts(Math.max(1, tables), tableOf, counts, bits);
    }

    private static boolean isEmpty(int[] counts, int context, int symbols) {
        for (int i = context << 8; i < (context << 8) + symbols; i++) {
            if (counts[i] != 0) {
                return false;
            }
        }
        return true;
    }

    private static double joinedCost(int[] counts, int first, int symbols, int[] scratch) {
        for (int s = 0; s < symbols; s++) {
            scratch[s] = counts[first << 8 | s] + counts[first + 1 << 8 | s];
        }
        return SymbolModel.cost(scratch, 0, symbols);
    }
}
