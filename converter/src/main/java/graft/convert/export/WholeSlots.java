package graft.convert.export;

import graft.convert.ConversionException;
import graft.formats.onnx.proto.TensorShapeProto;
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
     * @throws ConversionException.BaseMismatch if the graph computes the initializer from what it
     *     stores, or would need it in two shapes
     */
    void add(ExportPlan.Target target) throws ConversionException {
        TensorInfo before = target.before();
        String tensor = target.placed().getFirst().change().info().name();
        if (target.isCopy() && target.isReshaped()) {
            throw SlotGraph.noPlace(tensor, "the graph keeps it together with others");
        }
        if (export.isComputed(before)) {
            throw SlotGraph.noPlace(
                    tensor, "it is stored in another type or layout than the graph's");
        }
        String input = target.after().name();
        slots.put(input, Slot.whole(tensor, input, before.dtype()));
        infos.put(input, new TensorInfo(input, before.dtype(), before.shape()));
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

    /** Names of the inputs. */
    Set<String> names() {
        return slots.keySet();
    }
}
