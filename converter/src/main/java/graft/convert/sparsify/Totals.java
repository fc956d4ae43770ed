package graft.convert.sparsify;

import graft.convert.ledger.TensorRecord;

import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/** Sums over a delta's tensors. */
public final class Totals {
    private Totals() {}

    /**
     * Squares of errors and of residuals add up over tensors; their ratio's root is the whole's.
     */
    public static Map<String, Number> of(List<TensorRecord> records) {
        long nonZeros = 0;
        double energy = 0;
        double error = 0;
        boolean measured = true;
        Map<String, Number> totals = new TreeMap<>();
        for (TensorRecord record : records) {
            if (record.treatment().equals("sparse")) {
                nonZeros += (long) record.figure("nonZeros");
                double norm = record.figure("norm");
                energy += norm * norm;
                measured &= record.figures().containsKey("relativeError");
                double lost = measured ? record.figure("relativeError") * norm : 0;
                error += lost * lost;
            }
            totals.merge(
                    "tensors " + record.treatment(), 1L, (a, b) -> a.longValue() + b.longValue());
        }
        totals.put("nonZeros", nonZeros);
        totals.put("residualNorm", Math.sqrt(energy));
        if (measured) {
            totals.put("relativeError", energy == 0 ? 0 : Math.sqrt(error / energy));
        }
        totals.put("bytesIn", sum(records, false));
        totals.put("bytesOut", sum(records, true));
        return totals;
    }

    private static long sum(List<TensorRecord> records, boolean out) {
        return records.stream()
                .filter(record -> !record.treatment().equals("not in the model"))
                .mapToLong(record -> out ? record.bytesOut() : record.bytesIn())
                .sum();
    }
}
