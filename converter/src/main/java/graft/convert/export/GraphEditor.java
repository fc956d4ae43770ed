package graft.convert.export;

import graft.formats.onnx.OnnxModel;
import graft.formats.onnx.proto.GraphProto;
import graft.formats.onnx.proto.ModelProto;
import graft.formats.onnx.proto.NodeProto;
import graft.formats.onnx.proto.StringStringEntryProto;
import graft.formats.onnx.proto.TensorProto;
import graft.formats.onnx.proto.TensorShapeProto;
import graft.formats.onnx.proto.ValueInfoProto;
import graft.formats.tensor.TensorInfo;

import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;

/**
 * A copy of a graph whose initializers are replaced one by one. Nodes keep their names and order;
 * scatter nodes come first. Not thread-safe.
 */
final class GraphEditor {
    /** Below IR 4 every initializer is an input too, and nothing can be folded. */
    private static final int LOWEST_IR = 4;

    private final OnnxModel graph;
    private final Map<String, TensorProto> initializers = new HashMap<>();
    private final Map<String, TensorProto> extra = new TreeMap<>();
    private final List<NodeProto> scatters = new ArrayList<>();
    private final Map<String, ExportPlan.Target> reshaped = new TreeMap<>();

    GraphEditor(OnnxModel graph) {
        this.graph = graph;
    }

    /** Puts another initializer in the place of the one of the same name. */
    void replace(TensorProto initializer) {
        initializers.put(initializer.getName(), initializer);
    }

    /** Remembers that everything computed from this initializer changes its last extent. */
    void reshape(ExportPlan.Target target) {
        reshaped.put(target.before().name(), target);
    }

    /**
     * Lays values over a base: the old name becomes the output of a ScatterND, so that no other
     * node changes.
     *
     * @param base the unchanged initializer, under a name of its own
     */
    void scatter(String name, TensorProto base, TensorProto indices, TensorProto updates) {
        initializers.remove(name);
        extra.put(base.getName(), base);
        extra.put(indices.getName(), indices);
        extra.put(updates.getName(), updates);
        scatters.add(
                NodeProto.newBuilder()
                        .setOpType("ScatterND")
                        .setName("graft/scatter/" + name)
                        .addInput(base.getName())
                        .addInput(indices.getName())
                        .addInput(updates.getName())
                        .addOutput(name)
                        .build());
    }

    /** Writes the edited graph; its data files lie in the same folder. */
    void write(Path file, Map<String, String> metadata) throws IOException {
        ModelProto.Builder model = graph.proto().toBuilder();
        model.setIrVersion(Math.max(LOWEST_IR, model.getIrVersion()));
        GraphProto.Builder edited = model.getGraphBuilder();
        Set<String> names = new HashSet<>();
        List<TensorProto> kept = new ArrayList<>();
        for (TensorProto old : graph.proto().getGraph().getInitializerList()) {
            names.add(old.getName());
            TensorProto now = initializers.get(old.getName());
            boolean scattered =
                    scatters.stream().anyMatch(node -> node.getOutput(0).equals(old.getName()));
            if (!scattered) {
                kept.add(now == null ? old : now);
            }
        }
        edited.clearInitializer().addAllInitializer(kept).addAllInitializer(extra.values());
        List<NodeProto> nodes = new ArrayList<>(scatters);
        nodes.addAll(edited.getNodeList());
        edited.clearNode().addAllNode(nodes);
        List<ValueInfoProto> inputs =
                edited.getInputList().stream().filter(in -> !names.contains(in.getName())).toList();
        edited.clearInput().addAllInput(inputs);
        followShapes(edited);
        new TreeMap<>(metadata)
                .forEach((key, value) ->
                        model.addMetadataProps(
                                StringStringEntryProto.newBuilder().setKey(key).setValue(value)));
        try (OutputStream out = Files.newOutputStream(file)) {
            model.build().writeTo(out);
        }
    }

    /** The last extent of whatever a reshaped head computes follows its number of classes. */
    private void followShapes(GraphProto.Builder edited) {
        for (ExportPlan.Target target : reshaped.values()) {
            long before = changedExtent(target, true);
            long after = changedExtent(target, false);
            Set<String> downstream = downstream(edited, target.before().name());
            for (int i = 0; i < edited.getValueInfoCount(); i++) {
                if (edited.getValueInfo(i).getName().equals(target.before().name())) {
                    edited.setValueInfo(i, withShape(edited.getValueInfo(i), target.after()));
                } else if (downstream.contains(edited.getValueInfo(i).getName())) {
                    edited.setValueInfo(i, withLast(edited.getValueInfo(i), before, after));
                }
            }
            for (int i = 0; i < edited.getOutputCount(); i++) {
                if (downstream.contains(edited.getOutput(i).getName())) {
                    edited.setOutput(i, withLast(edited.getOutput(i), before, after));
                }
            }
        }
    }

    private static long changedExtent(ExportPlan.Target target, boolean before) {
        for (int axis = 0; axis < target.before().shape().rank(); axis++) {
            long old = target.before().shape().extent(axis);
            long now = target.after().shape().extent(axis);
            if (old != now) {
                return before ? old : now;
            }
        }
        throw new IllegalStateException(target.before().name() + " keeps its shape");
    }

    private static Set<String> downstream(GraphProto.Builder graph, String initializer) {
        Set<String> reached = new HashSet<>(Set.of(initializer));
        for (NodeProto node : graph.getNodeList()) { // topological: one pass reaches all
            if (node.getInputList().stream().anyMatch(reached::contains)) {
                reached.addAll(node.getOutputList());
            }
        }
        return reached;
    }

    /** torch's second exporter describes initializers as values, too. */
    private static ValueInfoProto withShape(ValueInfoProto info, TensorInfo after) {
        ValueInfoProto.Builder changed = info.toBuilder();
        TensorShapeProto.Builder shape =
                changed.getTypeBuilder().getTensorTypeBuilder().getShapeBuilder();
        shape.clearDim();
        for (long extent : after.shape().toArray()) {
            shape.addDimBuilder().setDimValue(extent);
        }
        return changed.build();
    }

    private static ValueInfoProto withLast(ValueInfoProto info, long before, long after) {
        TensorShapeProto shape = info.getType().getTensorType().getShape();
        int last = shape.getDimCount() - 1;
        if (last < 0 || shape.getDim(last).getDimValue() != before) {
            return info;
        }
        ValueInfoProto.Builder changed = info.toBuilder();
        changed.getTypeBuilder()
                .getTensorTypeBuilder()
                .getShapeBuilder()
                .getDimBuilder(last)
                .setDimValue(after);
        return changed.build();
    }
}
