package graft.convert.export;

import graft.formats.onnx.ExternalDataWriter;
import graft.formats.tensor.DType;
import graft.formats.tensor.Shape;
import graft.formats.tensor.TensorInfo;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Map;
import java.util.Optional;

/**
 * An initializer as shared data plus a product of two factors, which ONNX Runtime computes once,
 * when it loads the graph. Sums of products are float32 there and float64 in a merged model: the
 * two agree to float32 precision, not bit for bit.
 */
final class LowRankInitializer {
    private final ExportPlan.Target target;
    private final Arena arena;

    LowRankInitializer(ExportPlan.Target target, Arena arena) {
        this.target = target;
        this.arena = arena;
    }

    /** Whether the factors are smaller than the tensor, and the base is what they add to. */
    static boolean fits(ExportPlan.Target target, Map<String, ExportPlan.Target> baseChanges) {
        return target.placed().size() == 1
                && target.placed().getFirst().layout().isWhole()
                && target.placed().getFirst().layout().isExact()
                && target.before().dtype() == DType.F32
                && target.before().shape().rank() == 2
                && !baseChanges.containsKey(target.before().name())
                && factors(target)
                        .map(f -> (long) f.rank() * (f.rows() + f.columns()))
                        .filter(size -> size < target.before().shape().elements())
                        .isPresent();
    }

    private static Optional<TensorChange.Factors> factors(ExportPlan.Target target) {
        return target.placed().getFirst().change() instanceof TensorChange.Replace replace
                ? replace.factors()
                : Optional.empty();
    }

    /**
     * Adds nodes that write the target.
     *
     * @param base value of the shared data, in float32
     */
    void add(GraphEditor editor, ExternalDataWriter out, String base) throws IOException {
        TensorChange.Factors factors = factors(target).orElseThrow();
        String name = target.after().name();
        boolean swapped = target.placed().getFirst().layout().isTransposed();
        // of a transposed tensor: (left · right)ᵀ = rightᵀ · leftᵀ
        var left = new TensorInfo("graft/left/" + name, DType.F32, shape(factors, swapped, true));
        var right =
                new TensorInfo("graft/right/" + name, DType.F32, shape(factors, swapped, false));
        put(editor, out, left, swapped ? factors.right() : factors.left(), swapped);
        put(editor, out, right, swapped ? factors.left() : factors.right(), swapped);
        String product = "graft/product/" + name;
        editor.first(editor.compute("MatMul", product, left.name(), right.name()));
        editor.first(editor.compute("Add", name, base, product));
    }

    private static Shape shape(TensorChange.Factors factors, boolean swapped, boolean first) {
        if (first) {
            return Shape.of(swapped ? factors.columns() : factors.rows(), factors.rank());
        }
        return Shape.of(factors.rank(), swapped ? factors.rows() : factors.columns());
    }

    private void put(
            GraphEditor editor,
            ExternalDataWriter out,
            TensorInfo info,
            TensorChange.Values values,
            boolean transposed)
            throws IOException {
        Shape lies = info.shape();
        Shape shape = transposed ? Shape.of(lies.extent(1), lies.extent(0)) : lies;
        var change =
                new TensorChange.Replace(new TensorInfo(info.name(), info.dtype(), shape), values);
        var one = ExportPlan.Target.alone(info, Layout.whole(transposed), change);
        editor.put(out.add(info, Materialised.of(one, MemorySegment.NULL, arena)));
    }
}
