package graft.convert.export;

import graft.convert.ConversionException;
import graft.formats.onnx.ExternalDataWriter;
import graft.formats.onnx.OnnxModel;
import graft.formats.onnx.proto.TensorProto;
import graft.formats.tensor.DType;
import graft.formats.tensor.TensorInfo;
import graft.formats.tensor.TensorSource;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;

/**
 * Writes graphs with a model's weights in place. Bind once, export many models. Values are cast to
 * each initializer's own type, or to the type asked for storage, rounded at most once.
 *
 * <p>Not thread-safe: {@link #sharedBase} is state. Write into a folder that gets its final name
 * when all is done ({@link graft.formats.io.StagedOutput}).
 */
public final class ExportGraph {
    /** Data of a {@code shared} base, in the folder of its graphs. */
    public static final String BASE_DATA = "base.onnx.data";

    private static final int LOWEST_OPSET = 11; // ScatterElements, CumSum
    private static final int LOWEST_BF16_OPSET = 13; // Cast

    private final OnnxModel graph;
    private final GraphBinding binding;
    private final Storage storage;
    private final Map<String, SharedTensor> base = new TreeMap<>();
    private final Map<String, ExportPlan.Target> baseChanges = new TreeMap<>();
    private final Map<String, ExportPlan.Bias> baseBiases = new TreeMap<>();

    /**
     * @param graph stays open while this is used
     * @param checkpoint what the graph was exported from
     * @throws ConversionException.NothingMatched if the graph holds none of its weights
     */
    public ExportGraph(OnnxModel graph, TensorSource checkpoint) throws IOException {
        this(graph, checkpoint, Optional.empty());
    }

    /**
     * @param storage type that matrices of float32 are stored as; they are computed with as float32
     *     again
     * @throws ConversionException.BaseMismatch if the graph is too old to store them so
     */
    public ExportGraph(OnnxModel graph, TensorSource checkpoint, Optional<DType> storage)
            throws IOException {
        this.graph = graph;
        this.storage = new Storage(storage);
        this.binding = GraphBinding.bind(graph, checkpoint);
        if (storage.equals(Optional.of(DType.BF16))) {
            requireOpset(LOWEST_BF16_OPSET, "storing bfloat16", "--dtype float16 or float32");
        }
    }

    private void requireOpset(int lowest, String what, String other) throws ConversionException {
        if (graph.opset() < lowest) {
            throw new ConversionException.BaseMismatch(
                    "%s has opset %d, %s needs %d"
                            .formatted(graph.name(), graph.opset(), what, lowest),
                    "export the graph anew with a later opset, or use " + other);
        }
    }

    /**
     * @throws ConversionException.BaseMismatch if the graph's opset lacks nodes that scatter
     */
    void requireScattering() throws ConversionException {
        requireOpset(LOWEST_OPSET, "scattering", "--mode merged");
    }

    /** Which initializer holds which tensor. */
    public GraphBinding binding() {
        return binding;
    }

    OnnxModel graph() {
        return graph;
    }

    /**
     * One dense model: {@code TASK.onnx} and {@code TASK.onnx.data}.
     *
     * @throws ConversionException.BaseMismatch if a change has no place in the graph
     */
    public ExportReport merged(String task, Collection<TensorChange> changes, Path folder)
            throws IOException {
        ExportPlan plan = ExportPlan.of(graph, binding, changes);
        var editor = new GraphEditor(graph);
        Path data = folder.resolve(task + ".onnx.data");
        try (var out = ExternalDataWriter.create(data)) {
            for (TensorInfo info : graph.tensors()) {
                if (plan.targets().get(info.name()) == null) {
                    try (Arena arena = Arena.ofConfined()) {
                        store(editor, out, info, baseBytes(info.name(), arena), arena);
                    }
                }
            }
            for (ExportPlan.Target target : plan.targets().values()) {
                replaceOverBase(editor, out, target);
            }
            addBiases(editor, out, plan);
        }
        return finish(editor, task, folder, data, plan, 0);
    }

    /** Writes the graph as it is, over the data of {@link #sharedBase}; for what has no changes. */
    GraphEditor overBase() {
        var editor = new GraphEditor(graph);
        base.forEach((name, shared) -> shared.add(editor, name, typeNumber(name)));
        return editor;
    }

    /**
     * Makes everything exported from now on build on a changed base, such as a merged model. The
     * changes are read again for every export: keep their source open.
     *
     * @throws ConversionException.BaseMismatch if a change has no place in the graph
     */
    public void buildOn(Collection<TensorChange> changes) throws ConversionException {
        ExportPlan plan = ExportPlan.of(graph, binding, changes);
        base.clear();
        baseChanges.clear();
        baseBiases.clear();
        for (ExportPlan.Target target : plan.targets().values()) {
            if (target.isCopy() || target.isReshaped()) {
                throw new ConversionException.BaseMismatch(
                        "%s cannot hold the changed base: %s would need another shape, or a copy"
                                .formatted(graph.name(), target.before().name()),
                        "export the graph from the changed base itself");
            }
        }
        baseChanges.putAll(plan.targets());
        baseBiases.putAll(plan.biases());
    }

    /** Writes the data that all tasks of a folder share, once, before the first {@link #shared}. */
    public void sharedBase(Path folder) throws IOException {
        sharedBase(folder, Optional.empty());
    }

    /**
     * As {@link #sharedBase(Path)}, with what lies in the files of a checkpoint read from there.
     *
     * @param data of the checkpoint that is built on
     */
    void sharedBase(Path folder, Optional<CheckpointData> data) throws IOException {
        base.clear();
        Path file = folder.resolve(BASE_DATA);
        try (var out = ExternalDataWriter.create(file)) {
            for (TensorInfo info : graph.tensors()) {
                try (Arena arena = Arena.ofConfined()) {
                    MemorySegment bytes = baseBytes(info.name(), arena);
                    Optional<SharedTensor> found =
                            data.isPresent()
                                    ? data.get().find(info, bytes, binding.held(info.name()), arena)
                                    : Optional.empty();
                    if (found.isEmpty()) {
                        MemorySegment cast = storage.bytes(info, bytes, arena);
                        TensorProto tensor = out.add(storage.stored(info), cast);
                        found = Optional.of(SharedTensor.straight(tensor));
                    }
                    base.put(info.name(), found.get());
                }
            }
        }
        if (data.isPresent()) {
            data.get().copyUsed(folder);
            if (Files.size(file) == 0) {
                Files.delete(file);
            }
        }
    }

    /**
     * One task over the shared base: {@code TASK.onnx} and {@code TASK.delta.data}. Sparse changes
     * and changes of low rank are computed from the base when the graph is loaded, where that is
     * smaller than the whole tensor.
     *
     * @throws IllegalStateException before {@link #sharedBase}
     * @throws ConversionException.BaseMismatch if a change has no place in the graph
     */
    public ExportReport shared(String task, Collection<TensorChange> changes, Path folder)
            throws IOException {
        if (base.isEmpty()) {
            throw new IllegalStateException("no shared base yet");
        }
        requireScattering();
        ExportPlan plan = ExportPlan.of(graph, binding, changes);
        GraphEditor editor = overBase();
        Path data = folder.resolve(task + ".delta.data");
        int computed = 0;
        try (var out = ExternalDataWriter.create(data)) {
            for (ExportPlan.Target target : plan.targets().values()) {
                if (computeOverBase(editor, out, target)) {
                    computed++;
                } else {
                    replaceOverBase(editor, out, target);
                }
            }
            addBiases(editor, out, plan);
        }
        return finish(editor, task, folder, data, plan, computed);
    }

    ExportReport finish(
            GraphEditor editor, String task, Path folder, Path data, ExportPlan plan, int computed)
            throws IOException {
        plan.targets().values().stream()
                .filter(ExportPlan.Target::isReshaped)
                .forEach(editor::reshape);
        Path file = folder.resolve(task + ".onnx");
        editor.write(file, Map.of("graft.task", task));
        return new ExportReport(
                file,
                plan.targets().size() + plan.biases().size() - computed,
                computed,
                plan.absent(),
                Files.size(file) + Files.size(data));
    }

    /** An initializer of the base that tasks build on. */
    private MemorySegment baseBytes(String initializer, Arena arena) throws IOException {
        MemorySegment original = graph.bytes(initializer);
        ExportPlan.Target changed = baseChanges.get(initializer);
        return changed == null ? original : Materialised.of(changed, original, arena);
    }

    /** What lies below a target's changes: nothing of it is left if it is whole. */
    private MemorySegment under(ExportPlan.Target target, Arena arena) throws IOException {
        return target.isWhole() ? MemorySegment.NULL : baseBytes(target.before().name(), arena);
    }

    private void replaceOverBase(
            GraphEditor editor, ExternalDataWriter out, ExportPlan.Target target)
            throws IOException {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment bytes = Materialised.of(target, under(target, arena), arena);
            store(editor, out, target.after(), bytes, arena);
            target.uses().forEach(use -> editor.rewire(use, target.after().name()));
        }
    }

    private void addBiases(GraphEditor editor, ExternalDataWriter out, ExportPlan plan)
            throws IOException {
        Map<String, ExportPlan.Bias> all = new TreeMap<>(baseBiases);
        all.putAll(plan.biases());
        for (ExportPlan.Bias bias : all.values()) {
            try (Arena arena = Arena.ofConfined()) {
                TensorInfo info = bias.info();
                editor.put(out.add(info, Materialised.of(info, bias.change().values(), arena)));
                String output = graph.proto().getGraph().getNode(bias.node()).getOutput(0);
                String hidden = editor.intercept(bias.node(), "unbiased");
                editor.after(
                        bias.node(),
                        GraphEditor.node("Add", info.name() + "/Add", output, hidden, info.name()));
            }
        }
    }

    /** Whether it was written as nodes over the base. */
    private boolean computeOverBase(
            GraphEditor editor, ExternalDataWriter out, ExportPlan.Target target)
            throws IOException {
        SharedTensor shared = base.get(target.before().name());
        if (shared == null || !shared.isExternal() || target.isReshaped()) {
            return false;
        }
        if (isSparse(target)) {
            try (Arena arena = Arena.ofConfined()) {
                SparseInitializer.Coded coded = coded(target, arena);
                editor.put(out.add(coded.gapInfo(), coded.gaps()));
                editor.put(out.add(coded.valueInfo(), coded.values()));
            }
            addScatter(editor, target);
            return true;
        }
        if (LowRankInitializer.fits(target, baseChanges)) {
            String before = target.before().name();
            String value = "graft/base/" + before; // what the task's own is computed from
            shared.add(editor, value, ExternalDataWriter.typeNumber(DType.F32));
            try (Arena arena = Arena.ofConfined()) {
                new LowRankInitializer(target, arena).add(editor, out, value);
            }
            target.uses().forEach(use -> editor.rewire(use, target.after().name()));
            return true;
        }
        return false;
    }

    /** Gaps and values of a target whose changes are all scatters. */
    SparseInitializer.Coded coded(ExportPlan.Target target, Arena arena) throws IOException {
        TensorInfo before = target.before();
        MemorySegment under = baseBytes(before.name(), arena);
        return new SparseInitializer(target, storage.stored(before).dtype(), arena)
                .coded(storage.bytes(before, under, arena));
    }

    /** Computes a target from the shared base and its {@link #coded} gaps and values. */
    void addScatter(GraphEditor editor, ExportPlan.Target target) {
        String name = target.after().name();
        String before = target.before().name();
        TensorInfo stored = storage.stored(target.before());
        boolean cast = stored.dtype() != target.before().dtype();
        String flat = "graft/flat/" + before;
        shared(before).addFlat(editor, flat, ExternalDataWriter.typeNumber(stored.dtype()));
        String output = cast ? Storage.name(name) : name;
        SparseInitializer.addNodes(editor, name, stored.shape(), flat, output);
        if (cast) {
            Storage.widen(editor, name, typeNumber(before));
        }
        target.uses().forEach(use -> editor.rewire(use, name));
    }

    /** Makes the uses of a copy read the base under the copy's name. */
    void addCopy(GraphEditor editor, ExportPlan.Target target) {
        String name = target.before().name();
        shared(name).add(editor, target.after().name(), typeNumber(name));
        target.uses().forEach(use -> editor.rewire(use, target.after().name()));
    }

    /** Whether a target is smaller as gaps and values than whole. */
    boolean isSparse(ExportPlan.Target target) {
        SharedTensor shared = base.get(target.before().name());
        TensorInfo stored = storage.stored(target.before());
        return shared != null
                && shared.isExternal()
                && isScattered(target)
                && SparseInitializer.bytes(target, stored.dtype()) < stored.bytes();
    }

    /** Whether all that changes in a target are entries of what is there. */
    static boolean isScattered(ExportPlan.Target target) {
        return !target.isReshaped()
                && target.placed().stream()
                        .allMatch(p -> p.change() instanceof TensorChange.Scatter);
    }

    private SharedTensor shared(String initializer) {
        SharedTensor shared = base.get(initializer);
        if (shared == null) {
            throw new IllegalStateException(initializer + " is in no shared base");
        }
        return shared;
    }

    private int typeNumber(String initializer) {
        return ExternalDataWriter.typeNumber(graph.find(initializer).orElseThrow().dtype());
    }

    private void store(
            GraphEditor editor,
            ExternalDataWriter out,
            TensorInfo info,
            MemorySegment bytes,
            Arena arena)
            throws IOException {
        MemorySegment cast = storage.bytes(info, bytes, arena);
        putStored(editor, info.name(), out.add(storage.stored(info), cast));
    }

    private void putStored(GraphEditor editor, String name, TensorProto tensor) {
        DType type = graph.find(name).map(TensorInfo::dtype).orElse(DType.F32);
        int number = ExternalDataWriter.typeNumber(type);
        if (tensor.getDataType() == number || storage.type().isEmpty()) {
            editor.put(tensor);
        } else {
            editor.put(tensor.toBuilder().setName(Storage.name(name)).build());
            Storage.widen(editor, name, number);
        }
    }

    /** Whether graphs compute an initializer from what the shared base holds of it. */
    boolean isComputed(TensorInfo info) {
        SharedTensor shared = base.get(info.name());
        return shared != null && shared.isComputed(typeNumber(info.name()));
    }

    /** A target as graphs store it: by another name if it is narrowed. */
    TensorInfo storedAfter(ExportPlan.Target target) {
        TensorInfo after = target.after();
        return storage.isNarrowed(after)
                ? new TensorInfo(
                        Storage.name(after.name()), storage.stored(after).dtype(), after.shape())
                : after;
    }

    /** The bytes of {@link #storedAfter}. */
    MemorySegment storedBytes(ExportPlan.Target target, Arena arena) throws IOException {
        MemorySegment bytes = Materialised.of(target, under(target, arena), arena);
        return storage.bytes(target.after(), bytes, arena);
    }

    Storage storage() {
        return storage;
    }

    /** For a caller that needs nothing written: where each change would go. */
    ExportPlan plan(List<TensorChange> changes) throws ConversionException {
        return ExportPlan.of(graph, binding, changes);
    }
}
