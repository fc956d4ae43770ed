package graft.convert.export;

import graft.formats.onnx.OnnxModel;
import graft.formats.onnx.proto.AttributeProto;
import graft.formats.onnx.proto.NodeProto;
import graft.formats.tensor.DType;
import graft.formats.tensor.Shape;
import graft.formats.tensor.TensorInfo;
import graft.formats.tensor.TensorSource;

import java.io.IOException;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;

/**
 * The search behind {@link GraphBinding}: first by hash, each tensor as it lies and transposed;
 * then what is left on both sides as parts of an initializer, as scaled or shifted values, and last
 * by name alone, which only tells that the graph is of another checkpoint. Used once.
 */
final class BindingSearch {
    private static final Comparator<Binding> ORDER =
            Comparator.comparing(Binding::initializer)
                    .thenComparing(binding -> binding.layout().from())
                    .thenComparing(Binding::tensor);

    private record Key(DType type, Shape shape) {}

    private record Candidate(String tensor, boolean transposed) {}

    private final TensorSource checkpoint;
    private final OnnxModel graph;
    private final GraphNames names;
    private final Map<String, List<Candidate>> candidates = new HashMap<>();
    private final Set<Key> hashed = new HashSet<>();
    private final List<Binding> bound = new ArrayList<>();
    private final Map<String, TensorInfo> unbound = new TreeMap<>();
    private final Map<String, TensorInfo> missing = new TreeMap<>();
    private final Set<String> entangled = new TreeSet<>();

    BindingSearch(OnnxModel graph, TensorSource checkpoint) {
        this.graph = graph;
        this.checkpoint = checkpoint;
        this.names = new GraphNames(graph.proto().getGraph());
    }

    GraphBinding run() throws IOException {
        checkpoint.tensors().forEach(tensor -> missing.put(tensor.name(), tensor));
        for (TensorInfo initializer : graph.tensors()) {
            if (initializer.dtype().isComputable()) {
                byHash(initializer);
            }
        }
        bound.forEach(binding -> missing.remove(binding.tensor()));
        byValues();
        List<Binding> differing = byName();
        bound.sort(ORDER);
        differing.sort(ORDER);
        return new GraphBinding(
                List.copyOf(bound),
                List.copyOf(differing),
                new TreeSet<>(unbound.keySet()),
                new TreeSet<>(missing.keySet()),
                entangled,
                names,
                largestUnknown());
    }

    /** Elements of the largest float initializer or constant that holds no known tensor. */
    private long largestUnknown() {
        long largest = 0;
        for (TensorInfo initializer : unbound.values()) {
            largest = Math.max(largest, initializer.shape().elements());
        }
        for (NodeProto node : graph.proto().getGraph().getNodeList()) {
            for (AttributeProto attribute : node.getAttributeList()) {
                if (attribute.hasT()) {
                    long elements = 1;
                    for (long extent : attribute.getT().getDimsList()) {
                        elements *= Math.max(0, extent);
                    }
                    largest = Math.max(largest, elements);
                }
            }
        }
        return largest;
    }

    private void byHash(TensorInfo initializer) throws IOException {
        hashTensorsOf(initializer.dtype(), initializer.shape());
        String hash =
                TensorHash.of(initializer, graph.bytes(initializer.name()), initializer.dtype());
        List<Candidate> equal =
                candidates.getOrDefault(
                        key(initializer.dtype(), initializer.shape(), hash), List.of());
        Set<String> tensors = new TreeSet<>();
        equal.forEach(candidate -> tensors.add(candidate.tensor()));
        if (tensors.isEmpty()) {
            unbound.put(initializer.name(), initializer);
        } else if (tensors.size() == 1) {
            add(initializer, equal, tensors.iterator().next(), Binding.Evidence.HASH, List.of());
        } else {
            tellApart(initializer, equal, tensors);
        }
    }

    /** Several tensors have these contents: each use may be another one of them. */
    private void tellApart(TensorInfo initializer, List<Candidate> equal, Set<String> tensors) {
        String name = initializer.name();
        List<String> named = tensors.stream().filter(t -> GraphNames.same(t, name)).toList();
        Map<String, List<Use>> onPath = new TreeMap<>();
        List<Use> open = new ArrayList<>();
        for (Use use : names.readers(name)) {
            only(tensors, names.suggestions(use))
                    .ifPresentOrElse(
                            tensor ->
                                    onPath.computeIfAbsent(tensor, _ -> new ArrayList<>()).add(use),
                            () -> open.add(use));
        }
        if (onPath.size() == 1 && open.isEmpty()) {
            String tensor = onPath.keySet().iterator().next();
            add(initializer, equal, tensor, how(named, tensor), List.of());
            return;
        }
        if (onPath.isEmpty()) {
            Optional<String> other =
                    named.size() == 1
                            ? Optional.of(named.getFirst())
                            : only(tensors, names.foldedFrom(name));
            if (other.isPresent()) {
                var how = named.size() == 1 ? Binding.Evidence.NAME : Binding.Evidence.FOLDED_FROM;
                add(initializer, equal, other.get(), how, List.of());
            } else {
                unbound.put(name, initializer);
            }
            if (other.isEmpty() || open.size() > 1) {
                entangled.addAll(tensors); // an exporter may have folded equal tensors into one
            }
            return;
        }
        if (open.size() == 1 && named.size() == 1 && !onPath.containsKey(named.getFirst())) {
            onPath.put(named.getFirst(), List.copyOf(open));
        } else if (!open.isEmpty()) {
            entangled.addAll(tensors);
            entangled.removeAll(onPath.keySet());
        }
        onPath.forEach((tensor, uses) -> add(initializer, equal, tensor, how(named, tensor), uses));
    }

    private static Binding.Evidence how(List<String> named, String tensor) {
        return named.equals(List.of(tensor)) ? Binding.Evidence.NAME : Binding.Evidence.PATH;
    }

    /** The only one of {@code tensors} that a suggestion means. */
    private static Optional<String> only(Set<String> tensors, Set<String> suggestions) {
        List<String> exact = tensors.stream().filter(suggestions::contains).toList();
        List<String> meant =
                exact.size() == 1
                        ? exact
                        : tensors.stream()
                                .filter(t ->
                                        suggestions.stream().anyMatch(s -> GraphNames.same(t, s)))
                                .toList();
        return meant.size() == 1 ? Optional.of(meant.getFirst()) : Optional.empty();
    }

    private void add(
            TensorInfo initializer,
            List<Candidate> equal,
            String tensor,
            Binding.Evidence how,
            List<Use> uses) {
        List<Boolean> ways =
                equal.stream()
                        .filter(candidate -> candidate.tensor().equals(tensor))
                        .map(Candidate::transposed)
                        .toList();
        // a symmetric matrix fits both ways: then its use decides
        boolean transposed =
                ways.size() > 1
                        ? names.isRightFactor(initializer.name())
                                && !GraphNames.same(initializer.name(), tensor)
                        : ways.getFirst();
        bound.add(new Binding(initializer.name(), tensor, Layout.whole(transposed), how, uses));
    }

    /** Hashes all tensors that could lie in an initializer of this type and shape, once. */
    private void hashTensorsOf(DType type, Shape shape) throws IOException {
        if (!hashed.add(new Key(type, shape))) {
            return;
        }
        for (TensorInfo tensor : checkpoint.tensors()) {
            boolean straight = tensor.shape().equals(shape);
            boolean turned = isTransposeOf(tensor.shape(), shape);
            if (!tensor.dtype().isComputable() || !straight && !turned) {
                continue;
            }
            var bytes = checkpoint.bytes(tensor.name()); // a copy, of a graph's own weights
            if (straight) {
                put(key(type, shape, TensorHash.of(tensor, bytes, type)), tensor, false);
            }
            if (turned) {
                put(key(type, shape, TensorHash.ofTranspose(tensor, bytes, type)), tensor, true);
            }
        }
    }

    static boolean isTransposeOf(Shape tensor, Shape initializer) {
        return tensor.rank() == 2
                && initializer.rank() == 2
                && tensor.extent(0) == initializer.extent(1)
                && tensor.extent(1) == initializer.extent(0);
    }

    private void put(String key, TensorInfo tensor, boolean transposed) {
        candidates
                .computeIfAbsent(key, _ -> new ArrayList<>())
                .add(new Candidate(tensor.name(), transposed));
    }

    private static String key(DType type, Shape shape, String hash) {
        return type + " " + shape + " " + hash;
    }

    private void byValues() {
        var search = new ValueSearch(checkpoint, names);
        for (TensorInfo initializer : List.copyOf(unbound.values())) {
            var values = new TensorValues(initializer, graph.bytes(initializer.name()));
            List<Binding> found = search.clamped(initializer, values, missing.values());
            if (found.isEmpty()) {
                found = search.parts(initializer, values, missing.values());
            }
            if (found.isEmpty()) {
                found = search.scaled(initializer, values, missing.values());
            }
            if (!found.isEmpty()) {
                bound.addAll(found);
                unbound.remove(initializer.name());
                // a tensor may lie in several initializers, so it stays a candidate till the end
            }
        }
        bound.forEach(binding -> missing.remove(binding.tensor()));
    }

    /** What by name and shape should hold a tensor, and holds other values. */
    private List<Binding> byName() {
        List<Binding> differing = new ArrayList<>();
        for (TensorInfo initializer : unbound.values()) {
            Set<String> fitting = new TreeSet<>();
            for (TensorInfo tensor : missing.values()) {
                if (tensor.dtype().isComputable()
                        && !entangled.contains(tensor.name())
                        && (tensor.shape().equals(initializer.shape())
                                || isTransposeOf(tensor.shape(), initializer.shape()))) {
                    fitting.add(tensor.name());
                }
            }
            boolean transposed = names.isRightFactor(initializer.name());
            Optional<String> named = only(fitting, Set.of(initializer.name()));
            Optional<String> meant =
                    named.isPresent()
                            ? named
                            : only(fitting, names.suggestions(initializer.name()))
                                    .or(() -> only(fitting, names.foldedFrom(initializer.name())));
            meant.ifPresent(tensor -> {
                boolean lies = transposed && named.isEmpty();
                var how = named.isPresent() ? Binding.Evidence.NAME : Binding.Evidence.PATH;
                differing.add(
                        new Binding(
                                initializer.name(), tensor, Layout.whole(lies), how, List.of()));
            });
        }
        return differing;
    }
}
