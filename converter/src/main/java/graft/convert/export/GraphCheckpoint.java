package graft.convert.export;

import graft.formats.onnx.OnnxModel;
import graft.formats.tensor.Shape;
import graft.formats.tensor.TensorInfo;
import graft.formats.tensor.TensorSource;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.NoSuchElementException;
import java.util.Optional;
import java.util.Set;

/**
 * A graph's own weights as the checkpoint it was exported from, where that is not at hand: names
 * from the graph, linear layers turned back. Weights that the graph does not name are missing.
 *
 * <p>Safe from any thread while the graph is open. Turned weights are copied, outside the heap,
 * each time they are asked for.
 */
public final class GraphCheckpoint implements TensorSource {
    private record Source(String initializer, boolean turned) {}

    private final OnnxModel graph;
    private final Map<String, TensorInfo> infos = new LinkedHashMap<>();
    private final Map<String, Source> sources = new LinkedHashMap<>();

    private GraphCheckpoint(OnnxModel graph) {
        this.graph = graph;
    }

    /**
     * @param known names to prefer where the graph's differ by a prefix; may be empty
     */
    public static GraphCheckpoint of(OnnxModel graph, Collection<String> known) {
        var checkpoint = new GraphCheckpoint(graph);
        var names = new GraphNames(graph.proto().getGraph());
        Set<String> ambiguous = new HashSet<>();
        for (TensorInfo info : graph.tensors()) {
            if (info.dtype().isComputable() && info.shape().rank() >= 1) {
                checkpoint.add(info, names, known, ambiguous);
            }
        }
        ambiguous.forEach(checkpoint.infos::remove);
        return checkpoint;
    }

    private void add(
            TensorInfo info, GraphNames names, Collection<String> known, Set<String> ambiguous) {
        boolean own = isParameter(info.name());
        List<String> found = new ArrayList<>();
        Set<String> foldedFrom = names.foldedFrom(info.name());
        if (own) {
            found.add(info.name());
        } else if (foldedFrom.size() == 1) { // of several, which was the weight is not said
            found.addAll(foldedFrom);
        } else {
            names.suggestions(info.name()).stream()
                    .filter(name -> !SlotNames.parse(name).isPresent())
                    .forEach(found::add);
        }
        if (found.size() != 1) {
            return;
        }
        boolean turned = !own && info.shape().rank() == 2 && names.isRightFactor(info.name());
        String name = preferred(found.getFirst(), known);
        Shape shape = info.shape();
        Shape straight = turned ? Shape.of(shape.extent(1), shape.extent(0)) : shape;
        if (infos.put(name, new TensorInfo(name, info.dtype(), straight)) != null) {
            ambiguous.add(name); // two constants of one module: neither is known
        }
        sources.put(name, new Source(info.name(), turned));
    }

    /**
     * Exporters number what they folded: {@code onnx::MatMul_897}, {@code val_84}, {@code 1234}.
     */
    private static boolean isParameter(String name) {
        return name.contains(".") && !name.contains(":") && !name.startsWith("/");
    }

    private static String preferred(String name, Collection<String> known) {
        if (known.contains(name)) {
            return name;
        }
        List<String> alike = known.stream().filter(k -> GraphNames.same(k, name)).toList();
        return alike.size() == 1 ? alike.getFirst() : name;
    }

    @Override
    public String name() {
        return graph.name();
    }

    @Override
    public List<TensorInfo> tensors() {
        return List.copyOf(infos.values());
    }

    @Override
    public Optional<TensorInfo> find(String tensor) {
        return Optional.ofNullable(infos.get(tensor));
    }

    @Override
    @SuppressWarnings("MustBeClosedChecker") // the collector owns the copy
    public MemorySegment bytes(String tensor) {
        TensorInfo info = infos.get(tensor);
        Source source = sources.get(tensor);
        if (info == null || source == null) {
            throw new NoSuchElementException(name() + " has no weight known as " + tensor);
        }
        MemorySegment bytes = graph.bytes(source.initializer());
        if (!source.turned()) {
            return bytes;
        }
        TensorInfo lying = graph.find(source.initializer()).orElseThrow();
        var change = ModelChanges.whole(lying, bytes);
        try {
            return Materialised.of(
                    ExportPlan.Target.alone(info, Layout.TRANSPOSE, change),
                    MemorySegment.NULL,
                    Arena.ofAuto());
        } catch (IOException e) {
            throw new AssertionError("nothing is read from a disk", e);
        }
    }

    /** The graph stays open: its owner closes it. */
    @Override
    public void close() {}
}
