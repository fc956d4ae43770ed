package graft.convert.export;

import graft.formats.peft.LoraModule;
import graft.formats.tensor.Elements;
import graft.formats.tensor.TensorInfo;

import java.lang.foreign.MemorySegment;

/**
 * W + s·B·A, element by element on demand: the sum in float64, the result rounded once to float32.
 *
 * @param swapped whether W lies as (in, out), so that the update is (s·B·A)ᵀ
 */
record LowRankValues(
        MemorySegment base,
        TensorInfo weight,
        LoraModule module,
        MemorySegment b,
        MemorySegment a,
        boolean swapped)
        implements TensorChange.Values {
    @Override
    public void read(long first, float[] into, int count) {
        int columns = swapped ? module.out() : module.in();
        Elements.widen(weight.dtype(), base, first, into, 0, count);
        double[] sum = new double[count];
        int done = 0;
        while (done < count) { // one row of W at a time
            long row = (first + done) / columns;
            int column = (int) ((first + done) % columns);
            int run = Math.min(count - done, columns - column);
            add(row, column, run, sum, done);
            done += run;
        }
        for (int i = 0; i < count; i++) {
            into[i] = (float) (into[i] + module.scale() * sum[i]);
        }
    }

    private void add(long row, int column, int run, double[] sum, int at) {
        int rank = module.rank();
        float[] left = new float[rank];
        float[] right = new float[swapped ? rank : run];
        if (!swapped) {
            Elements.widen(module.b().dtype(), b, row * rank, left, 0, rank);
            for (int l = 0; l < rank; l++) {
                Elements.widen(
                        module.a().dtype(), a, (long) l * module.in() + column, right, 0, run);
                for (int j = 0; j < run; j++) {
                    sum[at + j] += (double) left[l] * right[j];
                }
            }
            return;
        }
        float[] one = new float[1];
        for (int l = 0; l < rank; l++) {
            Elements.widen(module.a().dtype(), a, (long) l * module.in() + row, one, 0, 1);
            left[l] = one[0];
        }
        for (int j = 0; j < run; j++) {
            Elements.widen(module.b().dtype(), b, (long) (column + j) * rank, right, 0, rank);
            for (int l = 0; l < rank; l++) {
                sum[at + j] += (double) left[l] * right[l];
            }
        }
    }
}
