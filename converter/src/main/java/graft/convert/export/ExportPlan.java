package graft.convert.export;

import graft.convert.ConversionException;
import graft.formats.FileSpot;
import graft.formats.onnx.OnnxModel;
import graft.formats.tensor.Shape;
import graft.formats.tensor.TensorInfo;

import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;

/**
 * Where each change of a model goes in a graph.
 *
 * @param targets by initializer name, sorted
 */
record ExportPlan(Map<String, Target> targets) {
    /**
     * One initializer and what becomes of it.
     *
     * @param before the initializer in the graph
     * @param after what it becomes: another shape only for a head
     * @param transform how the tensor lies in it
     */
    record Target(
            TensorInfo before, TensorInfo after, Binding.Transform transform, TensorChange change) {
        /** Whether the shape changes, and everything computed from it. */
        boolean isReshaped() {
            return !before.shape().equals(after.shape());
        }
    }

    /**
     * @throws ConversionException.BaseMismatch if a change has no place in the graph, or shares one
     *     with another tensor
     */
    static ExportPlan of(OnnxModel graph, GraphBinding binding, Collection<TensorChange> changes)
            throws ConversionException {
        Map<String, Target> targets = new TreeMap<>();
        Set<String> homeless = new TreeSet<>();
        for (TensorChange change : changes) {
            String tensor = change.info().name();
            if (binding.isEntangled(tensor)) {
                throw new ConversionException.BaseMismatch(
                        "%s: tensor %s changes, but the graph keeps it together with others of the same values"
                                .formatted(graph.name(), FileSpot.quote(tensor)),
                        "export the graph from a trained checkpoint, or without deduplication");
            }
            List<Target> found = new ArrayList<>();
            for (Binding bound : binding.of(tensor)) {
                found.add(target(graph, bound, change));
            }
            if (found.isEmpty()) {
                found.addAll(heads(graph, binding, change));
            }
            if (found.isEmpty()) {
                homeless.add(tensor);
            }
            found.forEach(target -> targets.put(target.before().name(), target));
        }
        if (!homeless.isEmpty()) {
            throw new ConversionException.BaseMismatch(
                    "%s has no place for %d changed tensors: %s"
                            .formatted(graph.name(), homeless.size(), GraphBinding.few(homeless)),
                    "give a graph of the whole model, exported from the base with a head of this task's kind");
        }
        return new ExportPlan(targets);
    }

    private static Target target(OnnxModel graph, Binding bound, TensorChange change)
            throws ConversionException {
        TensorInfo before = graph.find(bound.initializer()).orElseThrow();
        return new Target(
                before, after(before, change, bound.transform()), bound.transform(), change);
    }

    private static TensorInfo after(
            TensorInfo before, TensorChange change, Binding.Transform transform)
            throws ConversionException {
        Shape shape = change.info().shape();
        if (transform == Binding.Transform.TRANSPOSE) {
            shape = Shape.of(shape.extent(1), shape.extent(0));
        }
        if (shape.rank() != before.shape().rank()) {
            throw new ConversionException.BaseMismatch(
                    "tensor %s is %s in the model, its place in the graph is %s"
                            .formatted(
                                    FileSpot.quote(change.info().name()),
                                    change.info().shape(),
                                    before.shape()),
                    "give a graph of this architecture");
        }
        return new TensorInfo(before.name(), before.dtype(), shape);
    }

    /**
     * A head is in no base. Its place is an initializer that holds none of the base's tensors, has
     * the head's name or is read at its path, and fits in every extent but one: the number of
     * classes.
     */
    private static List<Target> heads(OnnxModel graph, GraphBinding binding, TensorChange change)
            throws ConversionException {
        if (!(change instanceof TensorChange.Replace)) {
            return List.of();
        }
        var names = new GraphNames(graph.proto().getGraph());
        List<Target> found = new ArrayList<>();
        for (String initializer : binding.unboundInitializers()) {
            TensorInfo before = graph.find(initializer).orElseThrow();
            String tensor = change.info().name();
            boolean named = GraphNames.same(initializer, tensor);
            boolean onPath =
                    names.suggestions(initializer).stream()
                            .anyMatch(s -> GraphNames.same(s, tensor));
            if ((named || onPath) && before.shape().rank() == change.info().shape().rank()) {
                boolean transposed = before.shape().rank() == 2 && names.isRightFactor(initializer);
                var transform =
                        transposed ? Binding.Transform.TRANSPOSE : Binding.Transform.IDENTITY;
                TensorInfo after = after(before, change, transform);
                if (differing(before.shape(), after.shape()) <= 1) {
                    found.add(new Target(before, after, transform, change));
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
}
