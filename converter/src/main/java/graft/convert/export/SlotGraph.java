package graft.convert.export;

import graft.convert.ConversionException;
import graft.formats.FileSpot;
import graft.formats.onnx.ExternalDataWriter;
import graft.formats.onnx.proto.NodeProto;
import graft.formats.onnx.proto.TensorProto;
import graft.formats.onnx.proto.TensorShapeProto;
import graft.formats.peft.LoraModule;
import graft.formats.tensor.DType;
import graft.formats.tensor.Shape;
import graft.formats.tensor.TensorInfo;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;

/**
 * The base's graph with empty slots: beside each layer that an adapter changes, {@code x·A·B} with
 * A and B inputs that default to rank 0, so that without an adapter nothing is added. Of weights
 * that lie together in one initializer each has its own slot, B filled up with zeros for the
 * features of the others. A convolution's kernel, and the packed matrix of a fused attention, get
 * A·B added themselves in every run: these nodes take no sum of outputs.
 *
 * <p>Slots are float32 or bfloat16. Not float16: ONNX Runtime 1.23 to 1.29 crashes on an optional
 * float16 input that is cast to float32. Not thread-safe.
 */
final class SlotGraph {
    private static final int LOWEST_PAD_OPSET = 11; // pads as an input

    private final ExportGraph export;
    private final GraphEditor editor;
    private final SlotNames profile;
    private final DType type;
    private final Map<String, Slot> slots = new TreeMap<>();
    private final WholeSlots wholes;
    private final Map<Use, String> weights = new HashMap<>();

    /**
     * @param export whose shared base is written
     */
    SlotGraph(ExportGraph export, SlotNames profile, DType type) {
        this.export = export;
        this.editor = export.overBase();
        this.wholes = new WholeSlots(export, editor);
        this.profile = profile;
        this.type = type;
    }

    GraphEditor editor() {
        return editor;
    }

    SlotTable table() {
        List<Slot> all = new ArrayList<>(slots.values());
        all.addAll(wholes.slots());
        return new SlotTable(all);
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
            boolean lies = one.layout().isTransposed() != placed.isSwapped(); // as (in, out)
            Place place = place(placed, one, lies);
            List<Use> uses =
                    one.uses().isEmpty()
                            ? export.binding().names().readers(one.initializer())
                            : one.uses();
            for (Use use : uses) {
                follow(module, use, lies, typeNumber(place), place, readings, 0);
            }
        }
        boolean gathers = placed.module().layer() == LoraModule.Layer.EMBEDDING;
        // of a tied weight an adapter changes the table or the head, not both
        readings.removeIf(reading -> (reading.how() == How.ROWS) != gathers);
        if (readings.isEmpty()) {
            throw noPlace(module, "no node reads its weight as such a layer does");
        }
        Reading first = readings.getFirst();
        // modules that share a packed weight share the path of its node, too
        String path = first.place().isWhole() ? GraphNames.modulePath(first.node()) : "";
        var slot =
                new Slot(
                        module,
                        gathers
                                ? Slot.Kind.embedding
                                : first.node().getOpType().equals("Conv")
                                        ? Slot.Kind.convolution
                                        : Slot.Kind.linear,
                        name(gathers, module, path, SlotNames.Factor.A),
                        name(gathers, module, path, SlotNames.Factor.B),
                        read(placed.module()),
                        placed.module().out(),
                        type,
                        Slot.ANY_RANK);
        slots.put(module, slot);
        declare(slot);
        String a = flat(slot, wide(slot.a()));
        String b = wide(slot.b());
        readings.forEach(reading -> insert(slot, reading, a, b));
    }

    private String name(boolean gathers, String module, String path, SlotNames.Factor factor) {
        return gathers ? SlotNames.ofEmbedding(module, factor) : profile.name(module, path, factor);
    }

    /** Of a convolution A has an axis per extent, so that its adapter says what it is. */
    private static Shape read(LoraModule module) {
        long[] extents = module.a().shape().toArray();
        return module.layer() == LoraModule.Layer.CONVOLUTION
                ? Shape.of(Arrays.copyOfRange(extents, 1, extents.length))
                : Shape.of(module.in());
    }

    /** What is added to, so that a node computes with W + A·B. */
    private enum How {
        /** The node's output: x·W + x·A·B. */
        OUTPUT,
        /** The rows it gathers. */
        ROWS,
        /** The weight itself, which is no constant then. */
        WEIGHT
    }

    /**
     * Where a weight lies in its initializer.
     *
     * @param before features that others write, in front
     * @param after and behind
     * @param scale that the graph multiplies the weight by
     * @param turned whether the initializer has a row per feature written
     * @param initializer that it lies in
     */
    private record Place(
            long before, long after, float scale, boolean turned, TensorInfo initializer) {
        boolean isWhole() {
            return before == 0 && after == 0;
        }

        /** Whether A·B can be added to it as it lies. */
        boolean takesSums() {
            return initializer.dtype() == DType.F32;
        }

        Shape shape() {
            return initializer.shape();
        }
    }

    private record Reading(Use use, NodeProto node, How how, Place place) {
        int index() {
            return use.node();
        }
    }

    private Place place(AdapterModule placed, Binding one, boolean lies)
            throws ConversionException {
        Layout layout = one.layout();
        String module = placed.module().name();
        TensorInfo initializer = export.graph().find(one.initializer()).orElseThrow();
        Shape shape = initializer.shape();
        int written = lies ? 1 : 0;
        if (layout.shift() != 0) {
            throw noPlace(module, "the graph adds a constant to its weight");
        }
        if (layout.isWhole()) {
            return new Place(0, 0, layout.scale(), !lies, initializer);
        }
        if (layout.axis() != written || shape.rank() != 2) {
            throw noPlace(module, "the graph keeps its weight together with others");
        }
        if (export.graph().opset() < LOWEST_PAD_OPSET) {
            throw noPlace(module, "it lies beside others, which needs opset " + LOWEST_PAD_OPSET);
        }
        long after = shape.extent(written) - layout.from() - placed.module().out();
        return new Place(layout.from(), after, layout.scale(), !lies, initializer);
    }

    private static long typeNumber(Place place) {
        return ExternalDataWriter.typeNumber(place.initializer().dtype());
    }

    /**
     * To the nodes that compute with the weight, through those that only turn or cast it.
     *
     * @param as the ONNX number of the type that it has by now
     */
    private void follow(
            String module,
            Use use,
            boolean lies,
            long as,
            Place place,
            List<Reading> readings,
            int depth)
            throws ConversionException {
        GraphNames names = export.binding().names();
        NodeProto node = names.node(use);
        boolean right = use.input() == 1;
        Optional<How> how =
                switch (node.getOpType()) {
                    case "MatMul" -> when(right && lies, How.OUTPUT);
                    case "Gemm" -> when(right && isPlain(node, lies), How.OUTPUT);
                    case "Gather" ->
                            when(
                                    use.input() == 0
                                            && place.isWhole()
                                            && GraphNames.integer(node, "axis", 0) == 0,
                                    How.ROWS);
                    case "Conv" ->
                            when(right && !lies && depth == 0 && place.takesSums(), How.WEIGHT);
                    case "Attention" -> // ONNX Runtime's own, query, key and value in one matrix
                            when(
                                    right
                                            && lies
                                            && depth == 0
                                            && place.takesSums()
                                            && node.getDomain().equals("com.microsoft"),
                                    How.WEIGHT);
                    default -> Optional.empty();
                };
        if (how.isPresent()) {
            if (as != TensorProto.DataType.FLOAT_VALUE) {
                throw noPlace(
                        module, "the graph computes with its weight in another type than float32");
            }
            readings.add(new Reading(use, node, how.get(), place));
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
        long type = node.getOpType().equals("Cast") ? GraphNames.integer(node, "to", as) : as;
        for (Use next : names.readers(node.getOutput(0))) {
            follow(module, next, turned, type, place, readings, depth + 1);
        }
    }

    private static boolean isPlain(NodeProto gemm, boolean lies) {
        return lies == (GraphNames.integer(gemm, "transB", 0) == 0)
                && GraphNames.integer(gemm, "transA", 0) == 0
                && gemm.getAttributeList().stream()
                        .noneMatch(a -> a.getName().equals("alpha") && a.getF() != 1);
    }

    private static Optional<How> when(boolean fits, How how) {
        return fits ? Optional.of(how) : Optional.empty();
    }

    static ConversionException.BaseMismatch noPlace(String module, String why) {
        return new ConversionException.BaseMismatch(
                "no slot for module %s: %s".formatted(FileSpot.quote(module), why),
                "use --mode merged or --mode shared");
    }

    private void declare(Slot slot) {
        String rank = slot.module() + ".lora_r"; // its own, so that ranks may differ
        var dims = new TensorShapeProto.Dimension[slot.read().rank() + 1];
        for (int axis = 0; axis < slot.read().rank(); axis++) {
            dims[axis] = SlotInputs.dim(slot.read().extent(axis));
        }
        dims[slot.read().rank()] = SlotInputs.dim(rank);
        editor.input(SlotInputs.input(slot.a(), type, dims));
        editor.input(
                SlotInputs.input(slot.b(), type, SlotInputs.dim(rank), SlotInputs.dim(slot.out())));
        editor.put(SlotInputs.empty(slot.a(), type, slot.ofA(0).toArray()));
        editor.put(SlotInputs.empty(slot.b(), type, 0, slot.out()));
    }

    private String wide(String input) {
        if (type == DType.F32) {
            return input;
        }
        String wide = "graft/wide/" + input;
        editor.cast(input, wide, TensorProto.DataType.FLOAT_VALUE);
        return wide;
    }

    /** A as (in, rank). */
    private String flat(Slot slot, String a) {
        int axes = slot.read().rank();
        if (axes == 1) {
            return a;
        }
        String flat = "graft/flat/" + slot.a();
        editor.first(
                editor.compute("Flatten", flat, a).addAttribute(GraphEditor.integer("axis", axes)));
        return flat;
    }

    private void insert(Slot slot, Reading reading, String a, String b) {
        String name = "graft/slot/" + slot.module() + "/" + reading.index();
        String wide = widened(name, reading.place(), b);
        if (reading.how() == How.WEIGHT) {
            addToWeight(name, reading, a, wide);
            return;
        }
        String output = editor.graph().proto().getGraph().getNode(reading.index()).getOutput(0);
        String hidden = editor.intercept(reading.index(), "base");
        NodeProto node = reading.node();
        NodeProto.Builder first =
                reading.how() == How.ROWS
                        ? GraphEditor.node("Gather", name + "/A", name + "/a", a, node.getInput(1))
                        : GraphEditor.node("MatMul", name + "/A", name + "/a", node.getInput(0), a);
        editor.after(reading.index(), first);
        editor.after(
                reading.index(),
                GraphEditor.node("MatMul", name + "/B", name + "/b", name + "/a", wide));
        editor.after(
                reading.index(),
                GraphEditor.node("Add", name + "/Add", output, hidden, name + "/b"));
    }

    /** B with zeros for features that others write, times the graph's own scale. */
    private String widened(String name, Place place, String b) {
        String value = b;
        if (!place.isWhole()) {
            editor.put(
                    SparseInitializer.integers(name + "/pads", 0, place.before(), 0, place.after())
                            .addDims(4)
                            .build());
            editor.first(editor.compute("Pad", name + "/padded", value, name + "/pads"));
            value = name + "/padded";
        }
        if (place.scale() != 1) {
            editor.put(
                    TensorProto.newBuilder()
                            .setName(name + "/scale")
                            .setDataType(TensorProto.DataType.FLOAT_VALUE)
                            .addFloatData(place.scale())
                            .build());
            editor.first(editor.compute("Mul", name + "/scaled", value, name + "/scale"));
            value = name + "/scaled";
        }
        return value;
    }

    private void addToWeight(String name, Reading reading, String a, String b) {
        Place place = reading.place();
        String product = name + "/product";
        editor.first(editor.compute("MatMul", product, a, b));
        if (place.turned()) {
            editor.first(editor.compute("Transpose", name + "/turned", product));
            product = name + "/turned";
        }
        if (place.shape().rank() != 2) {
            editor.put(
                    SparseInitializer.integers(name + "/shape", place.shape().toArray())
                            .addDims(place.shape().rank())
                            .build());
            editor.first(editor.compute("Reshape", name + "/shaped", product, name + "/shape"));
            product = name + "/shaped";
        }
        String weight = weights.getOrDefault(reading.use(), reading.node().getInput(1));
        String sum = name + "/weight";
        editor.first(editor.compute("Add", sum, weight, product));
        weights.put(reading.use(), sum);
        editor.rewire(reading.use(), sum);
    }

    /** Whether a weight is no constant, so that other kernels compute with it. */
    boolean hasFreeWeights() {
        return !weights.isEmpty() || !wholes.slots().isEmpty();
    }

    /** Initializers that adapters replace. */
    WholeSlots wholes() {
        return wholes;
    }
}
