package graft.convert.apply;

import graft.convert.ConversionException;
import graft.formats.FileSpot;
import graft.formats.peft.LoraModule;
import graft.formats.peft.ReplacedRows;
import graft.formats.tensor.DType;
import graft.formats.tensor.Shape;
import graft.formats.tensor.TensorInfo;

import org.jspecify.annotations.Nullable;

import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;

/** A tensor of the merged model while its changes are collected. */
final class Draft {
    private final TensorInfo info;
    private final DType source;
    private final MemorySegment bytes;
    private final boolean isReplaced;
    private final List<Step> steps = new ArrayList<>();
    private boolean isStack;
    private float @Nullable [] magnitudes;

    Draft(TensorInfo info, MemorySegment bytes) {
        this(info, info.dtype(), bytes, false);
    }

    private Draft(TensorInfo info, DType source, MemorySegment bytes, boolean isReplaced) {
        this.info = info;
        this.source = source;
        this.bytes = bytes;
        this.isReplaced = isReplaced;
    }

    /** One that starts from a tensor of the adapter; it keeps the base's name and type. */
    static Draft replaced(TensorInfo before, TensorInfo tensor, MemorySegment bytes)
            throws ConversionException {
        boolean sameButRows = before.shape().rank() == tensor.shape().rank();
        for (int axis = 1; sameButRows && axis < tensor.shape().rank(); axis++) {
            sameButRows = before.shape().extent(axis) == tensor.shape().extent(axis);
        }
        if (!sameButRows) {
            throw Targets.mismatch(tensor.name(), "a tensor " + tensor.shape(), before);
        }
        var out = new TensorInfo(before.name(), before.dtype(), tensor.shape());
        var draft = new Draft(out, tensor.dtype(), bytes, true);
        draft.checkComputable();
        return draft;
    }

    TensorInfo info() {
        return info;
    }

    Shape shape() {
        return info.shape();
    }

    DType dtype() {
        return info.dtype();
    }

    /** Float64 would lose half its digits on the way through float32. */
    void checkComputable() throws ConversionException {
        for (DType type : List.of(info.dtype(), source)) {
            if (!type.isComputable() || (type == DType.F64 && !isReplaced)) {
                throw new ConversionException.BaseMismatch(
                        "tensor %s is of type %s".formatted(FileSpot.quote(info.name()), type),
                        "Graft merges into F16, BF16 and F32; save the base in one of them");
            }
        }
    }

    /** From now on rows are those of one expert after the other. */
    void asStack() {
        isStack = true;
    }

    boolean isStack() {
        return isStack;
    }

    int columns() {
        return isStack
                ? Math.toIntExact(shape().extent(shape().rank() - 1))
                : MergedTensor.columnsOf(info);
    }

    void add(Step step) {
        steps.add(step);
    }

    void normaliseColumns(float[] outputs) {
        magnitudes = outputs;
    }

    void checkMatrix(LoraModule module, int rows, int columns, int row) throws ConversionException {
        boolean fits =
                shape().rank() >= 2
                        && columns() == columns
                        && (isStack
                                ? row + rows <= shape().elements() / columns
                                : shape().extent(0) == rows);
        for (int axis = 2; fits && !isStack && axis < shape().rank(); axis++) {
            fits =
                    module.layer() != LoraModule.Layer.CONVOLUTION
                            || (module.a().shape().rank() == shape().rank()
                                    && shape().extent(axis) == module.a().shape().extent(axis));
        }
        if (!fits) {
            throw Targets.mismatch(
                    module.name(),
                    "%d×%d".formatted(module.out(), module.in())
                            + (module.layer() == LoraModule.Layer.CONVOLUTION
                                    ? " with kernel " + module.a().shape()
                                    : ""),
                    info);
        }
    }

    void checkElements(TensorInfo vector) throws ConversionException {
        if (shape().elements() != vector.shape().elements()) {
            throw Targets.mismatch(vector.name(), "a vector " + vector.shape(), info);
        }
    }

    void replaceRows(ReplacedRows change, MemorySegment values) throws ConversionException {
        long most = change.tokens().stream().mapToInt(Integer::intValue).max().orElse(0);
        boolean fits =
                shape().rank() == 2
                        && shape().extent(1) == change.rows().shape().extent(1)
                        && most < shape().extent(0);
        if (!fits) {
            throw Targets.mismatch(
                    change.name(),
                    "rows %s up to token %d".formatted(change.rows().shape(), most),
                    info);
        }
        if (!steps.isEmpty()) {
            throw new ConversionException.BaseMismatch(
                    "module %s has both an update and trained tokens"
                            .formatted(FileSpot.quote(change.name())),
                    "merge the adapter into its base with PEFT");
        }
        var rows = Strided.of(change.rows(), values, change.tokens().size(), columns());
        steps.add(new Step.ReplaceRows(change.tokens(), rows));
    }

    MergedTensor finish() {
        boolean merged = !steps.isEmpty();
        return new MergedTensor(
                info, source, bytes, merged ? "merged" : "replaced", columns(), steps, magnitudes);
    }
}
