package graft.convert.apply;

import graft.convert.ConversionException;
import graft.formats.peft.DenseChange;
import graft.formats.peft.PeftAdapter;
import graft.formats.tensor.DType;
import graft.formats.tensor.TensorInfo;

/**
 * Updates that are not low-rank as stored, for one tensor. Whether it is stored (in, out), the
 * configuration says.
 */
record DenseDeltas(PeftAdapter adapter, Draft draft) {
    Step of(DenseChange.AdaLora change) throws ConversionException {
        float[] e = vector(change.e());
        Strided a = matrix(change.a()).times(e);
        // as peft: α first, then the divisor, which is a float32 parameter
        float divisor = (float) change.initialRank() + 1e-5f;
        var delta = new Delta.Product(matrix(change.b()), a, (float) change.alpha(), divisor);
        boolean inOut = adapter.config().isFanInFanOut();
        return add(change.name(), inOut ? delta.transposed() : delta);
    }

    Step of(DenseChange.LoHa change) throws ConversionException {
        var one = new Delta.Product(matrix(change.w1a()), matrix(change.w1b()), 1);
        var other = new Delta.Product(matrix(change.w2a()), matrix(change.w2b()), 1);
        return add(change.name(), new Delta.Hadamard(one, other, (float) change.scale()));
    }

    Step of(DenseChange.LoKr change) throws ConversionException {
        Delta delta =
                new Delta.Kronecker(part(change.w1()), part(change.w2()), (float) change.scale());
        return add(change.name(), delta);
    }

    private Delta part(DenseChange.LoKr.Part part) {
        TensorInfo second = part.second();
        return second == null
                ? new Delta.Scaled(matrix(part.first()), 1)
                : new Delta.Product(matrix(part.first()), matrix(second), 1);
    }

    Step of(DenseChange.Vera change) throws ConversionException {
        boolean inOut = adapter.config().isFanInFanOut();
        int out = (int) change.lambdaB().shape().elements();
        int rows = inOut ? draft.columns() : Math.toIntExact(draft.shape().extent(0));
        int in = inOut ? Math.toIntExact(draft.shape().extent(0)) : draft.columns();
        Strided a = matrix(change.a());
        Strided b = matrix(change.b());
        if (out != rows || in > a.columns()) {
            throw Targets.mismatch(change.name(), "%d×%d".formatted(out, in), draft.info());
        }
        Strided left = b.rows(0, out).times(vector(change.lambdaB()));
        Strided right = a.columns(in).times(vector(change.lambdaD()));
        var delta = new Delta.Product(left, right, 1);
        return add(change.name(), inOut ? delta.transposed() : delta);
    }

    private Step add(String module, Delta delta) throws ConversionException {
        boolean fits =
                draft.shape().rank() >= 2
                        && delta.rows() == draft.shape().extent(0)
                        && delta.columns() == draft.columns();
        if (!fits) {
            throw Targets.mismatch(
                    module, "%d×%d".formatted(delta.rows(), delta.columns()), draft.info());
        }
        return new Step.Add(delta, 0, DType.F32);
    }

    /** A tensor as the matrix of its first axis and the rest. */
    private Strided matrix(TensorInfo info) {
        int rows = (int) info.shape().extent(0);
        return Strided.of(info, adapter.bytes(info), rows, (int) (info.shape().elements() / rows));
    }

    private float[] vector(TensorInfo info) {
        return Strided.vector(info, adapter.bytes(info));
    }
}
