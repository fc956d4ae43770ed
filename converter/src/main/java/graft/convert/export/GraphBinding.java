package graft.convert.export;

import graft.convert.ConversionException;
import graft.formats.FileSpot;
import graft.formats.onnx.OnnxModel;
import graft.formats.tensor.DType;
import graft.formats.tensor.Shape;
import graft.formats.tensor.TensorInfo;
import graft.formats.tensor.TensorSource;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;

/**
 * Finds which initializer of a graph holds which tensor of the checkpoint it was exported from.
 *
 * <p>Contents decide; names only tell tensors of equal contents apart, such as the zero biases of a
 * fresh layer. Tensors of equal contents that no name tells apart are left unbound, with the reason
 * at hand when somebody wants to change one of them. Constant heap; immutable, safe from any
 * thread.
 */
public final class GraphBinding {
    private final Map<String, Binding> byInitializer;
    private final Set<String> unboundInitializers;
    private final Set<String> unboundTensors;
    private final Set<String> entangled;

    private GraphBinding(
            Map<String, Binding> byInitializer,
            Set<String> unboundInitializers,
            Set<String> unboundTensors,
            Set<String> entangled) {
        this.byInitializer = byInitializer;
        this.unboundInitializers = unboundInitializers;
        this.unboundTensors = unboundTensors;
        this.entangled = entangled;
    }

    /**
     * @throws ConversionException.NothingMatched if not one tensor of the checkpoint is in the
     *     graph
     */
    public static GraphBinding bind(OnnxModel graph, TensorSource checkpoint)
            throws ConversionException {
        var search = new Search(graph, checkpoint);
        for (TensorInfo initializer : graph.tensors()) {
            search.bind(initializer);
        }
        if (search.bound.isEmpty()) {
            throw new ConversionException.NothingMatched(
                    "%s holds no weight of %s".formatted(graph.name(), checkpoint.name()),
                    "give the base checkpoint that the graph was exported from");
        }
        return search.result();
    }

    /** Bindings by initializer name, sorted. */
    public List<Binding> bindings() {
        return List.copyOf(byInitializer.values());
    }

    /** Every initializer that holds {@code tensor}; a tied tensor may have two. */
    List<Binding> of(String tensor) {
        return byInitializer.values().stream().filter(b -> b.tensor().equals(tensor)).toList();
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

    private static final class Search {
        private final TensorSource checkpoint;
        private final GraphNames names;
        private final OnnxModel graph;
        private final Map<String, List<Candidate>> candidates = new HashMap<>();
        private final Set<Key> hashed = new HashSet<>();
        final Map<String, Binding> bound = new TreeMap<>();
        private final Set<String> unbound = new TreeSet<>();
        private final Set<String> entangled = new TreeSet<>();

        private record Key(DType type, Shape shape) {}

        private record Candidate(String tensor, Binding.Transform transform) {}

        Search(OnnxModel graph, TensorSource checkpoint) {
            this.graph = graph;
            this.checkpoint = checkpoint;
            this.names = new GraphNames(graph.proto().getGraph());
        }

        void bind(TensorInfo initializer) {
            if (!initializer.dtype().isComputable()) {
                return;
            }
            hashTensorsOf(initializer.dtype(), initializer.shape());
            String hash =
                    TensorHash.of(
                            initializer, graph.bytes(initializer.name()), initializer.dtype());
            List<Candidate> equal =
                    candidates.getOrDefault(
                            key(initializer.dtype(), initializer.shape(), hash), List.of());
            Set<String> tensors = new TreeSet<>();
            equal.forEach(candidate -> tensors.add(candidate.tensor()));
            if (tensors.isEmpty()) {
                unbound.add(initializer.name());
            } else if (tensors.size() == 1) {
                add(initializer, equal, tensors.iterator().next(), Binding.Evidence.HASH);
            } else {
                bindByName(initializer, equal, tensors);
            }
        }

        private void bindByName(
                TensorInfo initializer, List<Candidate> equal, Set<String> tensors) {
            if (names.readers(initializer.name()).size() > 1) {
                entangled.addAll(tensors); // an exporter may have folded equal tensors into one
            }
            List<String> named =
                    tensors.stream().filter(t -> GraphNames.same(t, initializer.name())).toList();
            if (named.size() == 1) {
                add(initializer, equal, named.getFirst(), Binding.Evidence.NAME);
                return;
            }
            Set<String> suggested = names.suggestions(initializer.name());
            List<String> onPath =
                    tensors.stream()
                            .filter(t -> suggested.stream().anyMatch(s -> GraphNames.same(t, s)))
                            .toList();
            if (onPath.size() == 1) {
                add(initializer, equal, onPath.getFirst(), Binding.Evidence.PATH);
            } else {
                unbound.add(initializer.name());
                entangled.addAll(tensors);
            }
        }

        private void add(
                TensorInfo initializer,
                List<Candidate> equal,
                String tensor,
                Binding.Evidence how) {
            List<Binding.Transform> ways =
                    equal.stream()
                            .filter(candidate -> candidate.tensor().equals(tensor))
                            .map(Candidate::transform)
                            .toList();
            // a symmetric matrix fits both ways: then its use decides
            boolean transposed =
                    ways.size() > 1
                            ? names.isRightFactor(initializer.name())
                                    && !GraphNames.same(initializer.name(), tensor)
                            : ways.getFirst() == Binding.Transform.TRANSPOSE;
            var transform = transposed ? Binding.Transform.TRANSPOSE : Binding.Transform.IDENTITY;
            bound.put(initializer.name(), new Binding(initializer.name(), tensor, transform, how));
        }

        /** Hashes all tensors that could lie in an initializer of this type and shape, once. */
        private void hashTensorsOf(DType type, Shape shape) {
            if (!hashed.add(new Key(type, shape))) {
                return;
            }
            for (TensorInfo tensor : checkpoint.tensors()) {
                if (!tensor.dtype().isComputable()) {
                    continue;
                }
                var bytes = checkpoint.bytes(tensor.name());
                if (tensor.shape().equals(shape)) {
                    String hash = TensorHash.of(tensor, bytes, type);
                    put(key(type, shape, hash), tensor, Binding.Transform.IDENTITY);
                }
                if (isTransposeOf(tensor.shape(), shape)) {
                    String hash = TensorHash.ofTranspose(tensor, bytes, type);
                    put(key(type, shape, hash), tensor, Binding.Transform.TRANSPOSE);
                }
            }
        }

        private static boolean isTransposeOf(Shape tensor, Shape initializer) {
            return tensor.rank() == 2
                    && initializer.rank() == 2
                    && tensor.extent(0) == initializer.extent(1)
                    && tensor.extent(1) == initializer.extent(0);
        }

        private void put(String key, TensorInfo tensor, Binding.Transform transform) {
            candidates
                    .computeIfAbsent(key, _ -> new ArrayList<>())
                    .add(new Candidate(tensor.name(), transform));
        }

        private static String key(DType type, Shape shape, String hash) {
            return type + " " + shape + " " + hash;
        }

        GraphBinding result() {
            Set<String> missing = new TreeSet<>();
            checkpoint.tensors().forEach(tensor -> missing.add(tensor.name()));
            bound.values().forEach(binding -> missing.remove(binding.tensor()));
            return new GraphBinding(bound, unbound, missing, entangled);
        }
    }

    /** For people: {@code 55 of 62 tensors of base are in graph.onnx}. */
    @Override
    public String toString() {
        Set<String> tensors = new HashSet<>();
        byInitializer.values().forEach(binding -> tensors.add(binding.tensor()));
        return "%d of %d tensors".formatted(tensors.size(), tensors.size() + unboundTensors.size());
    }

    /** The first few of a set of names, for a message. */
    static String few(Set<String> names) {
        String list =
                names.stream()
                        .limit(3)
                        .map(FileSpot::quote)
                        .reduce((a, b) -> a + ", " + b)
                        .orElse("");
        return names.size() > 3 ? list + " and %d more".formatted(names.size() - 3) : list;
    }
}
