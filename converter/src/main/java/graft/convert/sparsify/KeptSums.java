package graft.convert.sparsify;

import graft.convert.plan.TensorPair;
import graft.convert.select.LargestEntries;
import graft.formats.delta.IndexSizes;
import graft.formats.delta.SparseTensor;

import java.io.IOException;

/** What a pass over the chosen entries of one tensor adds up to: sizes, and what scales need. */
final class KeptSums {
    private final IndexSizes sizes;
    private final long rowLength;
    private final double[] rowEnergy;
    private final double[] rowMagnitude;
    private final long[] rowCount;
    private double energy;
    private double keptEnergy;
    private double keptMagnitude;

    private KeptSums(TensorPair pair, boolean byRow) {
        long rows = SparseTensor.rows(pair.model().shape());
        this.sizes = new IndexSizes(pair.elements());
        this.rowLength = byRow && rows > 0 ? pair.elements() / rows : 0;
        int length = byRow ? Math.toIntExact(rows) : 0;
        this.rowEnergy = new double[length];
        this.rowMagnitude = new double[length];
        this.rowCount = new long[length];
    }

    static KeptSums of(TensorPair pair, EntryWalk walk, boolean byRow) throws IOException {
        var sums = new KeptSums(pair, byRow);
        pair.walk((first, base, model, count) -> {
            sums.addAll(first, base, model, count);
            walk.tile(first, base, model, count, (index, _, u) -> sums.addKept(index, u));
        });
        return sums;
    }

    /** The same from what is kept of a tensor; scales are not by row. */
    static KeptSums of(TensorPair pair, LargestEntries kept) throws IOException {
        var sums = new KeptSums(pair, false);
        kept.walk(some -> {
            sums.sizes.add(some.indices(), some.count());
            sums.addKept(some.bases(), some.models(), some.count());
        });
        sums.energy += kept.restEnergy();
        return sums;
    }

    /** As one by one; sums are kept out of memory. */
    private void addKept(float[] base, float[] model, int count) {
        double all = energy;
        double ofKept = keptEnergy;
        double magnitude = keptMagnitude;
        for (int j = 0; j < count; j++) {
            float u = model[j] - base[j];
            double exact = (double) model[j] - base[j];
            magnitude += Math.abs(u);
            ofKept += (double) u * u;
            all += exact * exact;
        }
        energy = all;
        keptEnergy = ofKept;
        keptMagnitude = magnitude;
    }

    private void addAll(long first, float[] base, float[] model, int count) {
        for (int i = 0; i < count; i++) {
            double u = (double) model[i] - base[i];
            energy += u * u;
            if (rowLength > 0) {
                rowEnergy[(int) ((first + i) / rowLength)] += u * u;
            }
        }
    }

    private void addKept(long index, float u) {
        sizes.add(index);
        keptMagnitude += Math.abs(u);
        keptEnergy += (double) u * u;
        if (rowLength > 0) {
            int row = (int) (index / rowLength);
            rowMagnitude[row] += Math.abs(u);
            rowCount[row]++;
        }
    }

    IndexSizes sizes() {
        return sizes;
    }

    /** By what kept values are multiplied. */
    double gain(Gain gain) {
        return gain.ofValues(energy, keptEnergy);
    }

    /** What a sign is worth. */
    double signScale(Gain gain) {
        return gain.ofSigns(energy, keptMagnitude, sizes.count());
    }

    /** What a sign is worth in each row; 0 where nothing is kept. */
    float[] rowScales(Gain gain) {
        float[] scales = new float[rowCount.length];
        for (int row = 0; row < scales.length; row++) {
            if (rowCount[row] > 0) {
                scales[row] =
                        (float) gain.ofSigns(rowEnergy[row], rowMagnitude[row], rowCount[row]);
            }
        }
        return scales;
    }
}
