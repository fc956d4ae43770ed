package graft.convert.export;

import com.google.protobuf.ByteString;

import graft.convert.ConversionException;
import graft.formats.FileSpot;
import graft.formats.onnx.ExternalDataWriter;
import graft.formats.onnx.proto.NodeProto;
import graft.formats.onnx.proto.TensorProto;
import graft.formats.onnx.proto.TensorShapeProto;
import graft.formats.onnx.proto.TypeProto;
import graft.formats.onnx.proto.ValueInfoProto;
import graft.formats.peft.LoraModule;
import graft.formats.tensor.DType;
import graft.formats.tensor.TensorInfo;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/**
 * The base's graph with empty slots: beside each layer that an adapter changes, {@code x·A·B} with
 * A and B inputs that default to rank 0, so that without an adapter nothing is added.
 *
 * <p>Slots are float32 or bfloat16. Not float16: ONNX Runtime 1.23 to 1.29 crashes on an optional
 * float16 input that is cast to float32. Not thread-safe.
 */
final class SlotGraph {
    /** Name of an extent that is another one for each task. */
    static final String FREE = "graft_classes";

    private final ExportGraph export;
    private final GraphEditor editor;
    private final SlotNames profile;
    private final DType type;
    private final Map<String, Slot> slots = new TreeMap<>();
    private final Map<String, TensorInfo> wholes = new TreeMap<>();
    private final Map<String, ExportPlan.Target> free = new TreeMap<>();

    /**
     * @param export whose shared base is written
     */
    SlotGraph(ExportGraph export, SlotNames profile, DType type) {
        this.export = export;
        this.editor = export.overBase();
        this.profile = profile;
        this.type = type;
    }

    GraphEditor editor() {
        return editor;
    }

    SlotTable table() {
        return new SlotTable(new ArrayList<>(slots.values()));
    }

    /**
     * Makes room for a module, once; not if the graph does not compute with its layer.
     *
     * @throws ConversionException.BaseMismatch if the layer's weight is not read as one that a slot
     *     can stand beside
     */
    void add(AdapterModule placed) throws ConversionException {
        String module = placed.module().name();
        if (slots.containsKey(module)) {
            return;
        }
        List<Binding> bound = export.binding().of(placed.tensor());
        if (bound.isEmpty() && export.binding().isAbsent(placed.weight())) {
            return;
        }
        List<Reading> readings = new ArrayList<>();
        for (Binding one : bound.isEmpty() ? export.binding().tied(placed.tensor()) : bound) {
            if (!one.layout().isWhole() || !one.layout().isExact()) {
                throw noPlace(module, "the graph keeps its weight together with others");
            }
            List<Use> uses =
                    one.uses().isEmpty()
                            ? export.binding().names().readers(one.initializer())
                            : one.uses();
            boolean lies = one.layout().isTransposed() != placed.isSwapped(); // as (in, out)
            for (Use use : uses) {
                follow(module, use, lies, readings, 0);
            }
        }
        boolean gathers = placed.module().layer() == LoraModule.Layer.EMBEDDING;
        // of a tied weight an adapter changes the table or the head, not both
        readings.removeIf(reading -> (reading.kind() == Slot.Kind.embedding) != gathers);
        if (readings.isEmpty()) {
            throw noPlace(module, "no node reads its weight as such a layer does");
        }
        String path = GraphNames.modulePath(readings.getFirst().node());
        var slot =
                new Slot(
                        module,
                        readings.getFirst().kind(),
                        profile.name(module, path, SlotNames.Factor.A),
                        profile.name(module, path, SlotNames.Factor.B),
                        placed.module().in(),
                        placed.module().out(),
                        type,
                        Slot.ANY_RANK);
        slots.put(module, slot);
        declare(slot);
        String a = wide(slot.a());
        String b = wide(slot.b());
        readings.forEach(reading -> insert(slot, reading, a, b));
    }

    private record Reading(int index, NodeProto node, Slot.Kind kind) {}

    /** To the nodes that compute with the weight, through those that only turn or cast it. */
    private void follow(String module, Use use, boolean lies, List<Reading> readings, int depth)
            throws ConversionException {
        GraphNames names = export.binding().names();
        NodeProto node = names.node(use);
        boolean last =
                switch (node.getOpType()) {
                    case "MatMul" -> use.input() == 1 && lies;
                    case "Gemm" ->
                            use.input() == 1
                                    && lies == (GraphNames.integer(node, "transB", 0) == 0)
                                    && GraphNames.integer(node, "transA", 0) == 0
                                    && node.getAttributeList().stream()
                                            .noneMatch(a ->
                                                    a.getName().equals("alpha") && a.getF() != 1);
                    case "Gather" -> use.input() == 0 && GraphNames.integer(node, "axis", 0) == 0;
                    default -> false;
                };
        if (last) {
            var kind = node.getOpType().equals("Gather") ? Slot.Kind.embedding : Slot.Kind.linear;
            readings.add(new Reading(use.node(), node, kind));
            return;
        }
        boolean passes = GraphNames.TRANSPARENT.contains(node.getOpType());
        if (!passes || depth > 4) {
            throw noPlace(
                    module,
                    "its weight is read by %s %s"
                            .formatted(node.getOpType(), FileSpot.quote(node.getName())));
        }
        boolean turned = node.getOpType().equals("Transpose") != lies;
        for (Use next : names.readers(node.getOutput(0))) {
            follow(module, next, turned, readings, depth + 1);
        }
    }

    private static ConversionException.BaseMismatch noPlace(String module, String why) {
        return new ConversionException.BaseMismatch(
                "no slot for module %s: %s".formatted(FileSpot.quote(module), why),
                "use --mode merged or --mode shared");
    }

    private void declare(Slot slot) {
        String rank = slot.module() + ".lora_r"; // its own, so that ranks may differ
        editor.input(input(slot.a(), type, dim(slot.in()), dim(rank)));
        editor.input(input(slot.b(), type, dim(rank), dim(slot.out())));
        editor.put(empty(slot.a(), slot.in(), 0));
        editor.put(empty(slot.b(), 0, slot.out()));
    }

    private TensorProto empty(String name, long rows, long columns) {
        return TensorProto.newBuilder()
                .setName(name)
                .setDataType(ExternalDataWriter.typeNumber(type))
                .addDims(rows)
                .addDims(columns)
                .setRawData(ByteString.EMPTY)
                .build();
    }

    private String wide(String input) {
        if (type == DType.F32) {
            return input;
        }
        String wide = "graft/wide/" + input;
        editor.cast(input, wide, TensorProto.DataType.FLOAT_VALUE);
        return wide;
    }

    private void insert(Slot slot, Reading reading, String a, String b) {
        String name = "graft/slot/" + slot.module() + "/" + reading.index();
        String output = editor.graph().proto().getGraph().getNode(reading.index()).getOutput(0);
        String hidden = editor.intercept(reading.index(), "base");
        NodeProto node = reading.node();
        NodeProto.Builder first =
                slot.kind() == Slot.Kind.embedding
                        ? GraphEditor.node("Gather", name + "/A", name + "/a", a, node.getInput(1))
                        : GraphEditor.node("MatMul", name + "/A", name + "/a", node.getInput(0), a);
        editor.after(reading.index(), first);
        editor.after(
                reading.index(),
                GraphEditor.node("MatMul", name + "/B", name + "/b", name + "/a", b));
        editor.after(
                reading.index(),
                GraphEditor.node("Add", name + "/Add", output, hidden, name + "/b"));
    }

    /**
     * Makes initializers replaceable whole: heads.
     *
     * @param targets of one task, all whole
     */
    void addWhole(Iterable<ExportPlan.Target> targets) throws ConversionException {
        for (ExportPlan.Target target : targets) {
            TensorInfo before = target.before();
            String tensor = target.placed().getFirst().change().info().name();
            if (target.isCopy() || !target.isWhole()) {
                throw noPlace(tensor, "the graph keeps it together with others");
            }
            if (export.isComputed(before)) {
                throw noPlace(tensor, "it is stored in another type or layout than the graph's");
            }
            var slot =
                    new Slot(
                            tensor,
                            Slot.Kind.whole,
                            before.name(),
                            "",
                            0,
                            0,
                            before.dtype(),
                            Slot.ANY_RANK);
            slots.put(tensor, slot);
            wholes.put(before.name(), before);
            if (target.isReshaped()) {
                free.put(before.name(), target);
            }
        }
    }

    /** Declares the heads' inputs; the extent that tasks differ in is free. */
    void finish() {
        for (TensorInfo info : wholes.values()) {
            ExportPlan.Target reshaped = free.get(info.name());
            var dims = new TensorShapeProto.Dimension[info.shape().rank()];
            for (int axis = 0; axis < dims.length; axis++) {
                boolean same =
                        reshaped == null
                                || reshaped.after().shape().extent(axis)
                                        == info.shape().extent(axis);
                dims[axis] = same ? dim(info.shape().extent(axis)) : dim(FREE);
            }
            editor.input(input(info.name(), info.dtype(), dims));
        }
        free.values().forEach(editor::free);
    }

    private static ValueInfoProto input(
            String name, DType type, TensorShapeProto.Dimension... dims) {
        var shape = TensorShapeProto.newBuilder();
        for (TensorShapeProto.Dimension dim : dims) {
            shape.addDim(dim);
        }
        var tensor =
                TypeProto.Tensor.newBuilder()
                        .setElemType(ExternalDataWriter.typeNumber(type))
                        .setShape(shape);
        return ValueInfoProto.newBuilder()
                .setName(name)
                .setType(TypeProto.newBuilder().setTensorType(tensor))
                .build();
    }

    private static TensorShapeProto.Dimension dim(long extent) {
        return TensorShapeProto.Dimension.newBuilder().setDimValue(extent).build();
    }

    private static TensorShapeProto.Dimension dim(String name) {
        return TensorShapeProto.Dimension.newBuilder().setDimParam(name).build();
    }
}
