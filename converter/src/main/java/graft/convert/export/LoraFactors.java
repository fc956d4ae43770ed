package graft.convert.export;

import graft.formats.peft.LoraModule;
import graft.formats.tensor.DType;
import graft.formats.tensor.Elements;

import java.lang.foreign.MemorySegment;

/** A module's factors as the checkpoint's weight is laid out, the scale in B's. */
final class LoraFactors {
    private LoraFactors() {}

    /**
     * @param swapped whether the weight lies as (in, out)
     */
    static TensorChange.Factors of(
            LoraModule module, MemorySegment b, MemorySegment a, boolean swapped) {
        int rank = module.rank();
        TensorChange.Values scaled = scaled(module.b().dtype(), b, (float) module.scale());
        TensorChange.Values plain = scaled(module.a().dtype(), a, 1);
        return swapped
                ? new TensorChange.Factors(
                        module.in(),
                        rank,
                        module.out(),
                        transposed(plain, rank, module.in()),
                        transposed(scaled, module.out(), rank))
                : new TensorChange.Factors(module.out(), rank, module.in(), scaled, plain);
    }

    private static TensorChange.Values scaled(DType type, MemorySegment bytes, float scale) {
        return (first, into, count) -> {
            Elements.widen(type, bytes, first, into, 0, count);
            for (int i = 0; i < count; i++) {
                into[i] *= scale;
            }
        };
    }

    /**
     * @param rows of the matrix that {@code values} reads
     */
    private static TensorChange.Values transposed(
            TensorChange.Values values, int rows, int columns) {
        float[] one = new float[1];
        return (first, into, count) -> {
            for (int i = 0; i < count; i++) { // factors are thin: this is a small share of the work
                long index = first + i;
                values.read(index % rows * columns + index / rows, one, 1);
                into[i] = one[0];
            }
        };
    }
}
