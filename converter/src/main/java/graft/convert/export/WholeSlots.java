package graft.convert.export;

import graft.convert.ConversionException;
import graft.formats.FileSpot;
import graft.formats.onnx.proto.TensorShapeProto;
import graft.formats.tensor.DType;
import graft.formats.tensor.TensorInfo;

import java.util.Collection;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;

/**
 * Initializers that adapters replace whole, such as heads: optional inputs whose default is the
 * base's value. Not thread-safe.
 */
final class WholeSlots {
    /** Name of an extent that is another one for each task. */
    static final String FREE = "graft_classes";

    private final ExportGraph export;
    private final GraphEditor editor;
    private final Map<String, Slot> slots = new TreeMap<>();
    private final Map<String, TensorInfo> infos = new TreeMap<>();
    private final Map<String, ExportPlan.Target> free = new TreeMap<>();

    WholeSlots(ExportGraph export, GraphEditor editor) {
        this.export = export;
        this.editor = editor;
    }

    /**
     * Makes an initializer replaceable.
     *
     * @param target of one task
     * @throws ConversionException.BaseMismatch if the graph computes the initializer from what a
     *     checkpoint stores, would need it in two shapes, or as an input of float16
     */
    void add(ExportPlan.Target target) throws ConversionException {
        TensorInfo before = target.before();
        String tensor = target.placed().getFirst().change().info().name();
        if (target.isCopy() && target.isReshaped()) {
            throw SlotGraph.noPlace(tensor, "the graph keeps it together with others");
        }
        if (!export.storage().isNarrowed(before) && export.isComputed(before)) {
            throw SlotGraph.noPlace(
                    tensor, "the checkpoint stores it in another type or layout than the graph");
        }
        TensorInfo stored = export.storedAfter(target);
        if (stored.dtype() == DType.F16) {
            throw new ConversionException.BaseMismatch(
                    "no slot of float16 for %s, replaced whole: ONNX Runtime 1.23 to 1.29 crashes on those"
                            .formatted(FileSpot.quote(tensor)),
                    before.dtype() == DType.F16
                            ? "give a graph of float32, or use --mode shared or merged"
                            : "use --dtype bfloat16 or float32");
        }
        String input = stored.name();
        slots.put(target.after().name(), Slot.whole(tensor, input, stored.dtype()));
        infos.put(input, new TensorInfo(input, stored.dtype(), before.shape()));
        if (target.isCopy()) {
            export.addCopy(editor, target);
        }
        if (target.isReshaped()) {
            free.put(input, target);
        }
    }

    /** Declares the inputs; the extent that tasks differ in is free. */
    void finish() {
        for (TensorInfo info : infos.values()) {
            ExportPlan.Target reshaped = free.get(info.name());
            var dims = new TensorShapeProto.Dimension[info.shape().rank()];
            for (int axis = 0; axis < dims.length; axis++) {
                long extent = info.shape().extent(axis);
                boolean same = reshaped == null || reshaped.after().shape().extent(axis) == extent;
                dims[axis] = same ? SlotInputs.dim(extent) : SlotInputs.dim(FREE);
            }
            editor.input(SlotInputs.input(info.name(), info.dtype(), dims));
        }
        free.values().forEach(editor::free);
    }

    Collection<Slot> slots() {
        return slots.values();
    }

    /** Names of the initializers. */
    Set<String> names() {
        return slots.keySet();
    }
}
