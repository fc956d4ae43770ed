package graft.convert.export;

import graft.convert.ConversionException;
import graft.formats.onnx.ExternalDataWriter;
import graft.formats.onnx.OnnxModel;
import graft.formats.onnx.proto.TensorProto;
import graft.formats.tensor.DType;
import graft.formats.tensor.Elements;
import graft.formats.tensor.Shape;
import graft.formats.tensor.TensorInfo;
import graft.formats.tensor.TensorSource;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Collection;
import java.util.Map;
import java.util.TreeMap;

/**
 * Writes graphs with a model's weights in place. Bind once, export many models. Values are cast to
 * each initializer's own type, rounded at most once.
 *
 * <p>Not thread-safe: {@link #sharedBase} is state. Write into a folder that gets its final name
 * when all is done ({@link graft.formats.io.StagedOutput}).
 */
public final class ExportGraph {
    /** Data of a {@code shared} base, in the folder of its graphs. */
    public static final String BASE_DATA = "base.onnx.data";

    private static final int LOWEST_OPSET = 11; // ScatterND
    private static final ValueLayout.OfLong I64 =
            ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    private final OnnxModel graph;
    private final GraphBinding binding;
    private final Map<String, TensorProto> base = new TreeMap<>();
    private final Map<String, ExportPlan.Target> baseChanges = new TreeMap<>();

    /**
     * @param graph stays open while this is used
     * @param checkpoint what the graph was exported from
     * @throws ConversionException.NothingMatched if the graph holds none of its weights
     */
    public ExportGraph(OnnxModel graph, TensorSource checkpoint) throws ConversionException {
        this.graph = graph;
        this.binding = GraphBinding.bind(graph, checkpoint);
    }

    /** Which initializer holds which tensor. */
    public GraphBinding binding() {
        return binding;
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
                ExportPlan.Target target = plan.targets().get(info.name());
                if (target != null) {
                    replaceOverBase(editor, out, target);
                    continue;
                }
                try (Arena arena = Arena.ofConfined()) {
                    editor.replace(out.add(info, baseBytes(info.name(), arena)));
                }
            }
        }
        return finish(editor, task, folder, data, plan, 0);
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
        baseChanges.putAll(plan.targets());
    }

    /** Writes the data that all tasks of a folder share, once, before the first {@link #shared}. */
    public void sharedBase(Path folder) throws IOException {
        base.clear();
        try (var out = ExternalDataWriter.create(folder.resolve(BASE_DATA))) {
            for (TensorInfo info : graph.tensors()) {
                try (Arena arena = Arena.ofConfined()) {
                    base.put(info.name(), out.add(info, baseBytes(info.name(), arena)));
                }
            }
        }
    }

    /**
     * One task over the shared base: {@code TASK.onnx} and {@code TASK.delta.data}. A scatter is
     * written as ScatterND where that is smaller than the whole tensor.
     *
     * @throws IllegalStateException before {@link #sharedBase}
     * @throws ConversionException.BaseMismatch if a change has no place in the graph
     */
    public ExportReport shared(String task, Collection<TensorChange> changes, Path folder)
            throws IOException {
        if (base.isEmpty()) {
            throw new IllegalStateException("no shared base yet");
        }
        if (graph.opset() < LOWEST_OPSET) {
            throw new ConversionException.BaseMismatch(
                    "%s has opset %d, ScatterND needs %d"
                            .formatted(graph.name(), graph.opset(), LOWEST_OPSET),
                    "export the graph anew with a later opset, or use --mode merged");
        }
        ExportPlan plan = ExportPlan.of(graph, binding, changes);
        var editor = new GraphEditor(graph);
        base.values().forEach(editor::replace);
        Path data = folder.resolve(task + ".delta.data");
        int scattered = 0;
        try (var out = ExternalDataWriter.create(data)) {
            for (ExportPlan.Target target : plan.targets().values()) {
                if (target.change() instanceof TensorChange.Scatter scatter
                        && isSmaller(scatter, target)) {
                    scatter(editor, out, target, scatter);
                    scattered++;
                } else {
                    replaceOverBase(editor, out, target);
                }
            }
        }
        return finish(editor, task, folder, data, plan, scattered);
    }

    private ExportReport finish(
            GraphEditor editor, String task, Path folder, Path data, ExportPlan plan, int scattered)
            throws IOException {
        plan.targets().values().stream()
                .filter(ExportPlan.Target::isReshaped)
                .forEach(editor::reshape);
        Path file = folder.resolve(task + ".onnx");
        editor.write(file, Map.of("graft.task", task));
        return new ExportReport(
                file,
                binding.bindings(),
                plan.targets().size() - scattered,
                scattered,
                Files.size(file) + Files.size(data));
    }

    /** ScatterND has an int64 per axis and entry, and reads the base besides. */
    private boolean isSmaller(TensorChange.Scatter scatter, ExportPlan.Target target) {
        int width = target.after().dtype().bytes();
        long entry = 8L * target.after().shape().rank() + width;
        TensorProto shared = base.get(target.before().name());
        boolean external =
                shared != null && shared.getDataLocation() == TensorProto.DataLocation.EXTERNAL;
        return external && scatter.count() * entry < target.after().bytes();
    }

    /** An initializer of the base that tasks build on. */
    private MemorySegment baseBytes(String initializer, Arena arena) throws IOException {
        MemorySegment original = graph.bytes(initializer);
        ExportPlan.Target changed = baseChanges.get(initializer);
        return changed == null ? original : Materialised.of(changed, original, arena);
    }

    private void replaceOverBase(
            GraphEditor editor, ExternalDataWriter out, ExportPlan.Target target)
            throws IOException {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment under =
                    switch (target.change()) {
                        case TensorChange.Scatter _ -> baseBytes(target.before().name(), arena);
                        case TensorChange.Replace _ -> graph.bytes(target.before().name());
                    };
            editor.replace(out.add(target.after(), Materialised.of(target, under, arena)));
        }
    }

    private void scatter(
            GraphEditor editor,
            ExternalDataWriter out,
            ExportPlan.Target target,
            TensorChange.Scatter scatter)
            throws IOException {
        String name = target.before().name();
        TensorProto shared = base.get(name);
        if (shared == null) {
            throw new IllegalStateException("no shared base data for " + name);
        }
        Shape shape = target.after().shape();
        int axes = shape.rank();
        DType type = target.after().dtype();
        var indexInfo =
                new TensorInfo("graft/index/" + name, DType.I64, Shape.of(scatter.count(), axes));
        var valueInfo = new TensorInfo("graft/value/" + name, type, Shape.of(scatter.count()));
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment indices = arena.allocate(indexInfo.bytes(), 64);
            MemorySegment values = arena.allocate(valueInfo.bytes(), 64);
            fill(target, scatter, indices, values);
            editor.scatter(
                    name,
                    shared.toBuilder().setName("graft/base/" + name).build(),
                    out.add(indexInfo, indices),
                    out.add(valueInfo, values));
        }
    }

    private static void fill(
            ExportPlan.Target target,
            TensorChange.Scatter scatter,
            MemorySegment indices,
            MemorySegment values)
            throws IOException {
        Shape shape = scatter.info().shape();
        int axes = shape.rank();
        boolean transposed = target.transform() == Binding.Transform.TRANSPOSE;
        DType type = target.after().dtype();
        float[] one = new float[1];
        long[] next = {0};
        scatter.entries()
                .walk((index, value) -> {
                    long entry = next[0]++;
                    long rest = index;
                    for (int axis = axes - 1; axis >= 0; axis--) {
                        long extent = shape.extent(axis);
                        int place = transposed ? axes - 1 - axis : axis;
                        indices.set(I64, 8 * (entry * axes + place), rest % extent);
                        rest /= extent;
                    }
                    one[0] = value;
                    Elements.narrow(type, one, 0, values, entry, 1);
                });
        if (next[0] != scatter.count()) {
            throw new IllegalStateException(
                    "%s: %d entries, %d announced"
                            .formatted(scatter.info().name(), next[0], scatter.count()));
        }
    }
}
