package graft.convert.select;

import graft.convert.plan.TensorPair;
import graft.formats.delta.DeltaEntries;
import graft.formats.tensor.DType;
import graft.formats.tensor.Elements;

import java.io.IOException;
import java.util.Map;
import java.util.TreeMap;

/**
 * What applying a coded residual gives, measured on the values that a reader gets: {@code along} is
 * ⟨û, u⟩/‖u‖², {@code cosine} the angle between û and u, {@code relativeError} ‖û − u‖/‖u‖.
 */
public final class ResidualFigures {
    private double energy;
    private double along;
    private double length;
    private double error;
    private double largest;
    private boolean more;

    private ResidualFigures() {}

    /** One pass over base, model and entries. */
    public static Map<String, Number> measure(TensorPair pair, DeltaEntries entries, long count)
            throws IOException {
        var figures = new ResidualFigures();
        figures.more = entries.next();
        DType type = pair.model().dtype();
        pair.walk((first, base, model, n) -> figures.tile(type, entries, first, base, model, n));
        return figures.toMap(count);
    }

    /**
     * The same from the kept entries alone, without another pass. The model's type must be the
     * base's, so that all else is as the base has it.
     *
     * @param entries of these very positions
     * @throws IllegalStateException if they are others
     */
    public static Map<String, Number> measure(LargestEntries kept, DeltaEntries entries)
            throws IOException {
        var figures = new ResidualFigures();
        figures.energy = kept.restEnergy();
        figures.error = kept.restEnergy();
        figures.largest = kept.restLargest();
        var coded = new Coded();
        kept.walk(some -> {
            coded.read(some, entries);
            figures.addAll(some.bases(), some.models(), coded.values, some.count());
        });
        if (entries.next()) {
            throw new IllegalStateException("the part has an entry more: " + entries.index());
        }
        return figures.toMap(kept.count());
    }

    /** What a part has of some entries. */
    private static final class Coded {
        private long[] positions = {};
        private float[] values = {};

        void read(LargestEntries.Entries some, DeltaEntries entries) throws IOException {
            int count = some.count();
            if (count > values.length) {
                positions = new long[count];
                values = new float[count];
            }
            int read = count == 0 ? 0 : entries.next(count, positions, values);
            for (int j = 0; j < count; j++) {
                if (j == read || positions[j] != some.indices()[j]) {
                    throw new IllegalStateException("the part lacks entry " + some.indices()[j]);
                }
            }
            entries.absolute(some.bases(), values, count);
        }
    }

    private void tile(
            DType type, DeltaEntries entries, long first, float[] base, float[] model, int count)
            throws IOException {
        for (int i = 0; i < count; i++) {
            float stored;
            if (more && entries.index() == first + i) {
                stored = entries.absolute(base[i]);
                more = entries.next();
            } else {
                stored = Elements.round(type, base[i]);
            }
            add(base[i], model[i], stored);
        }
    }

    /** The same as one by one; sums are kept out of memory. */
    private void addAll(float[] base, float[] model, float[] stored, int count) {
        double e = energy;
        double a = along;
        double l = length;
        double r = error;
        double most = largest;
        for (int j = 0; j < count; j++) {
            double u = (double) model[j] - base[j];
            double kept = (double) stored[j] - base[j];
            double lost = (double) model[j] - stored[j];
            e += u * u;
            a += kept * u;
            l += kept * kept;
            r += lost * lost;
            most = Math.max(most, Math.abs(lost));
        }
        energy = e;
        along = a;
        length = l;
        error = r;
        largest = most;
    }

    private void add(float base, float model, float stored) {
        double u = (double) model - base;
        double kept = (double) stored - base;
        double lost = (double) model - stored;
        energy += u * u;
        along += kept * u;
        length += kept * kept;
        error += lost * lost;
        largest = Math.max(largest, Math.abs(lost));
    }

    private Map<String, Number> toMap(long count) {
        boolean none = energy == 0;
        double norms = Math.sqrt(energy * length);
        Map<String, Number> figures = new TreeMap<>();
        figures.put("nonZeros", count);
        figures.put("norm", Math.sqrt(energy));
        figures.put("along", none ? 1 : along / energy);
        figures.put("cosine", none ? 1 : norms == 0 ? 0 : along / norms);
        figures.put("relativeError", none ? 0 : Math.sqrt(error / energy));
        figures.put("maxAbsError", largest);
        return figures;
    }
}
