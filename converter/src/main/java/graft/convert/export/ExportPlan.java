package graft.convert.export;

import graft.convert.ConversionException;
import graft.formats.FileSpot;
import graft.formats.onnx.OnnxModel;
import graft.formats.tensor.Shape;
import graft.formats.tensor.TensorInfo;

import java.util.ArrayList;
import java.util.Collection;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;

/**
 * Where each change of a model goes in a graph.
 *
 * @param targets by the name of what becomes of them, sorted
 * @param biases that the graph has no addition for, by name
 * @param absent changed tensors that the graph does not compute with, such as a pooler that its
 *     exporter left out
 */
record ExportPlan(Map<String, Target> targets, Map<String, Bias> biases, Set<String> absent) {
    /**
     * A change and where it lies.
     *
     * @param layout of the changed tensor in the initializer
     */
    record Placed(Layout layout, TensorChange change) {}

    /**
     * One initializer and what becomes of it.
     *
     * @param before the initializer in the graph
     * @param after what it becomes: another shape for a head or a resized vocabulary, another name
     *     if only some uses change
     * @param placed at least one; several if the initializer holds several tensors
     * @param uses that read the copy from now on; empty if there is no copy
     */
    record Target(TensorInfo before, TensorInfo after, List<Placed> placed, List<Use> uses) {
        /** A tensor that was in no graph. */
        static Target alone(TensorInfo info, Layout layout, TensorChange change) {
            return new Target(info, info, List.of(new Placed(layout, change)), List.of());
        }

        /** Whether the shape changes, and everything computed from it. */
        boolean isReshaped() {
            return !before.shape().equals(after.shape());
        }

        /** Whether the initializer stays for other uses. */
        boolean isCopy() {
            return !uses.isEmpty();
        }

        /** Whether nothing of what was there is left. */
        boolean isWhole() {
            return placed.getFirst().layout().isWhole()
                    && !(placed.getFirst().change() instanceof TensorChange.Scatter);
        }
    }

    /**
     * A vector that the model adds to the output of a linear layer, and the graph does not.
     *
     * @param node of the layer
     */
    record Bias(TensorInfo info, TensorChange.Replace change, int node) {}

    /**
     * @throws ConversionException.BaseMismatch if a change has no place in the graph, or shares one
     *     with another tensor
     */
    static ExportPlan of(OnnxModel graph, GraphBinding binding, Collection<TensorChange> changes)
            throws ConversionException {
        var plan = new Planner(graph, binding);
        for (TensorChange change : changes) {
            plan.place(change);
        }
        return plan.result();
    }

    private static final class Planner {
        private final OnnxModel graph;
        private final GraphBinding binding;
        private final Map<String, Target> targets = new TreeMap<>();
        private final Map<String, Bias> biases = new TreeMap<>();
        private final Set<String> homeless = new TreeSet<>();
        private final Set<String> absent = new TreeSet<>();

        Planner(OnnxModel graph, GraphBinding binding) {
            this.graph = graph;
            this.binding = binding;
        }

        void place(TensorChange change) throws ConversionException {
            String tensor = change.info().name();
            if (binding.isEntangled(tensor)) {
                throw new ConversionException.BaseMismatch(
                        "%s: tensor %s changes, but the graph keeps it together with others of the same values, and no name tells which use is whose"
                                .formatted(graph.name(), FileSpot.quote(tensor)),
                        "export the graph from a trained checkpoint, or without deduplication");
            }
            List<Binding> bound = binding.of(tensor);
            if (!bound.isEmpty()) {
                for (Binding one : bound) {
                    add(one, change);
                }
                return;
            }
            List<Target> heads = heads(change);
            if (!heads.isEmpty()) {
                heads.forEach(target -> targets.put(target.after().name(), target));
                return;
            }
            List<Binding> tied = binding.tied(tensor);
            for (Binding one : tied) {
                add(one, change);
            }
            if (tied.isEmpty() && !addBias(change)) {
                (binding.isAbsent(change.info()) ? absent : homeless).add(tensor);
            }
        }

        private void add(Binding bound, TensorChange change) throws ConversionException {
            TensorInfo before = graph.find(bound.initializer()).orElseThrow();
            String name =
                    bound.uses().isEmpty()
                            ? before.name()
                            : "graft/copy/%s/%s".formatted(before.name(), bound.tensor());
            TensorInfo after = after(before, name, change, bound.layout());
            List<Placed> placed = new ArrayList<>();
            Optional.ofNullable(targets.get(name)).ifPresent(t -> placed.addAll(t.placed()));
            placed.add(new Placed(bound.layout(), change));
            placed.sort(Comparator.comparingLong(p -> p.layout().from()));
            targets.put(name, new Target(before, after, List.copyOf(placed), bound.uses()));
        }

        private static TensorInfo after(
                TensorInfo before, String name, TensorChange change, Layout layout)
                throws ConversionException {
            Shape tensor = change.info().shape();
            boolean fits =
                    layout.isWhole() ? tensor.rank() == before.shape().rank() : tensor.rank() <= 2;
            if (!fits) {
                throw new ConversionException.BaseMismatch(
                        "tensor %s is %s in the model, its place in the graph is %s"
                                .formatted(
                                        FileSpot.quote(change.info().name()),
                                        tensor,
                                        before.shape()),
                        "give a graph of this architecture");
            }
            Shape shape = layout.isWhole() ? layout.lying(tensor) : before.shape();
            return new TensorInfo(name, before.dtype(), shape);
        }

        /**
         * A head is in no base. Its place is an initializer that holds none of the base's tensors,
         * has the head's name or is read at its path, and fits in every extent but one: the number
         * of classes.
         */
        private List<Target> heads(TensorChange change) throws ConversionException {
            if (!(change instanceof TensorChange.Replace)) {
                return List.of();
            }
            GraphNames names = binding.names();
            List<Target> found = new ArrayList<>();
            for (String initializer : binding.unboundInitializers()) {
                TensorInfo before = graph.find(initializer).orElseThrow();
                String tensor = change.info().name();
                boolean named = GraphNames.same(initializer, tensor);
                boolean onPath =
                        names.suggestions(initializer).stream()
                                .anyMatch(s -> GraphNames.same(s, tensor));
                if ((named || onPath) && before.shape().rank() == change.info().shape().rank()) {
                    boolean transposed =
                            before.shape().rank() == 2 && names.isRightFactor(initializer);
                    var layout = Layout.whole(transposed);
                    TensorInfo after = after(before, before.name(), change, layout);
                    if (differing(before.shape(), after.shape()) <= 1) {
                        found.add(
                                new Target(
                                        before,
                                        after,
                                        List.of(new Placed(layout, change)),
                                        List.of()));
                    }
                }
            }
            return found;
        }

        private static int differing(Shape left, Shape right) {
            int count = 0;
            for (int axis = 0; axis < left.rank(); axis++) {
                count += left.extent(axis) == right.extent(axis) ? 0 : 1;
            }
            return count;
        }

        /** The linear layer that {@code module.bias} belongs to, if its weight is in the graph. */
        private boolean addBias(TensorChange change) {
            String name = change.info().name();
            if (!name.endsWith(".bias")
                    || change.info().shape().rank() != 1
                    || !(change instanceof TensorChange.Replace replace)) {
                return false;
            }
            String weight = name.substring(0, name.length() - "bias".length()) + "weight";
            for (Binding bound : binding.of(weight)) {
                List<Use> uses = binding.names().readers(bound.initializer());
                if (uses.size() == 1
                        && binding.names().node(uses.getFirst()).getOpType().equals("MatMul")
                        && bound.layout().isWhole()) {
                    TensorInfo like = graph.find(bound.initializer()).orElseThrow();
                    var info =
                            new TensorInfo(
                                    "graft/bias/" + name, like.dtype(), change.info().shape());
                    biases.put(info.name(), new Bias(info, replace, uses.getFirst().node()));
                    return true;
                }
            }
            return false;
        }

        ExportPlan result() throws ConversionException {
            if (!homeless.isEmpty()) {
                throw new ConversionException.BaseMismatch(
                        "%s has no place for %d changed tensors: %s"
                                .formatted(
                                        graph.name(), homeless.size(), GraphBinding.few(homeless)),
                        "give a graph of the whole model, exported from the base with a head of this task's kind");
            }
            if (targets.isEmpty() && biases.isEmpty() && !absent.isEmpty()) {
                throw new ConversionException.BaseMismatch(
                        "%s computes with none of the %d changed tensors: %s"
                                .formatted(graph.name(), absent.size(), GraphBinding.few(absent)),
                        "give a graph of the whole model");
            }
            return new ExportPlan(targets, biases, absent);
        }
    }
}
