package graft.convert.export;

import graft.convert.ConversionException;
import graft.formats.FileSpot;
import graft.formats.onnx.OnnxModel;
import graft.formats.tensor.TensorInfo;
import graft.formats.tensor.TensorSource;

import java.io.IOException;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;

/**
 * Which initializer of a graph holds which tensor of the checkpoint it was exported from.
 *
 * <p>Contents decide; names only tell tensors of equal contents apart, such as the zero biases of a
 * fresh layer. Tensors of equal contents that no name tells apart are left unbound, with the reason
 * at hand when somebody wants to change one of them. Constant heap; immutable, safe from any
 * thread.
 */
public final class GraphBinding {
    private final List<Binding> bindings;
    private final Map<String, List<Binding>> byTensor = new HashMap<>();
    private final List<Binding> differing;
    private final Set<String> unboundInitializers;
    private final Set<String> unboundTensors;
    private final Set<String> entangled;
    private final GraphNames names;
    private final long largestUnknown;

    GraphBinding(
            List<Binding> bindings,
            List<Binding> differing,
            Set<String> unboundInitializers,
            Set<String> unboundTensors,
            Set<String> entangled,
            GraphNames names,
            long largestUnknown) {
        this.bindings = bindings;
        this.differing = differing;
        this.unboundInitializers = unboundInitializers;
        this.unboundTensors = unboundTensors;
        this.entangled = entangled;
        this.names = names;
        this.largestUnknown = largestUnknown;
        for (Binding binding : bindings) {
            byTensor.computeIfAbsent(binding.tensor(), _ -> new ArrayList<>()).add(binding);
        }
    }

    /**
     * @throws ConversionException.NothingMatched if not one tensor of the checkpoint is in the
     *     graph
     * @throws graft.formats.UnsupportedFeatureException if the graph's weights are quantised
     */
    public static GraphBinding bind(OnnxModel graph, TensorSource checkpoint) throws IOException {
        QuantisedGraphs.refuse(graph);
        GraphBinding binding = new BindingSearch(graph, checkpoint).run();
        if (binding.bindings.isEmpty()) {
            throw new ConversionException.NothingMatched(
                    "%s holds no weight of %s%s"
                            .formatted(
                                    graph.name(),
                                    checkpoint.name(),
                                    binding.differing.isEmpty()
                                            ? ""
                                            : ", though %d of its tensors by name"
                                                    .formatted(binding.differing.size())),
                    "give the base checkpoint that the graph was exported from");
        }
        return binding;
    }

    /** Bindings, by initializer name and then by where the tensors lie in it. */
    public List<Binding> bindings() {
        return bindings;
    }

    /** Every initializer that holds {@code tensor}; a tied tensor may have two. */
    List<Binding> of(String tensor) {
        return byTensor.getOrDefault(tensor, List.of());
    }

    /** Every tensor that an initializer holds. */
    List<Binding> held(String initializer) {
        return bindings.stream().filter(b -> b.initializer().equals(initializer)).toList();
    }

    /**
     * The places where a tensor that the checkpoint lacks is tied to one that it has: nodes on the
     * path of {@code tensor} that read an initializer of another tensor.
     */
    List<Binding> tied(String tensor) {
        List<Binding> tied = new ArrayList<>();
        for (Binding binding : bindings) {
            List<Use> uses =
                    names.readers(binding.initializer()).stream()
                            .filter(use -> binding.uses().isEmpty() || binding.uses().contains(use))
                            .filter(use ->
                                    names.suggestions(use).stream()
                                            .anyMatch(name -> GraphNames.same(name, tensor)))
                            .toList();
            if (!uses.isEmpty()) {
                tied.add(
                        new Binding(
                                binding.initializer(),
                                tensor,
                                binding.layout(),
                                Binding.Evidence.PATH,
                                uses));
            }
        }
        return tied;
    }

    /**
     * Whether the graph computes without a tensor that the checkpoint has: it holds nothing of
     * unknown origin that is large enough to be it.
     */
    boolean isAbsent(TensorInfo tensor) {
        return unboundTensors.contains(tensor.name())
                && !entangled.contains(tensor.name())
                && tensor.shape().elements() > largestUnknown;
    }

    /** Names and readers of the graph's values. */
    GraphNames names() {
        return names;
    }

    /**
     * Initializers that by name or path are a tensor of the checkpoint, of the same shape, and hold
     * other values: the graph is of another checkpoint.
     */
    public List<Binding> differing() {
        return differing;
    }

    /**
     * Initializers of a computable type that hold no tensor of the checkpoint: constants, a head.
     */
    public Set<String> unboundInitializers() {
        return unboundInitializers;
    }

    /** Tensors of the checkpoint that the graph does not hold, or not recognisably. */
    public Set<String> unboundTensors() {
        return unboundTensors;
    }

    /**
     * Whether an initializer stands for several equal tensors at once, so that none may change
     * alone.
     */
    boolean isEntangled(String tensor) {
        return entangled.contains(tensor);
    }

    /** Tensors of the checkpoint that are in the graph. */
    public int boundTensors() {
        return byTensor.size();
    }

    /**
     * @throws ConversionException.BaseMismatch if the graph is of another checkpoint, with the
     *     tensors that differ
     */
    public void requireSameBase(String graph, String checkpoint)
            throws ConversionException.BaseMismatch {
        if (differing.isEmpty()) {
            return;
        }
        Set<String> tensors = new TreeSet<>();
        differing.forEach(binding -> tensors.add(binding.tensor()));
        throw new ConversionException.BaseMismatch(
                "%s was not exported from %s: %d tensors have other values in it: %s"
                        .formatted(graph, checkpoint, tensors.size(), few(tensors)),
                "give the checkpoint that the graph was exported from as --graph-base, or its graph as --graph");
    }

    /** The first few of a set of names, for a message. */
    static String few(Collection<String> names) {
        String list =
                names.stream()
                        .limit(3)
                        .map(FileSpot::quote)
                        .reduce((a, b) -> a + ", " + b)
                        .orElse("");
        return names.size() > 3 ? list + " and %d more".formatted(names.size() - 3) : list;
    }
}
