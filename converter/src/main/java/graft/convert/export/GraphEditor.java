package graft.convert.export;

import graft.formats.onnx.OnnxModel;
import graft.formats.onnx.proto.AttributeProto;
import graft.formats.onnx.proto.GraphProto;
import graft.formats.onnx.proto.ModelProto;
import graft.formats.onnx.proto.NodeProto;
import graft.formats.onnx.proto.StringStringEntryProto;
import graft.formats.onnx.proto.TensorProto;
import graft.formats.onnx.proto.ValueInfoProto;

import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SequencedMap;
import java.util.Set;
import java.util.TreeMap;

/**
 * A copy of a graph whose initializers are replaced one by one, and whose nodes get neighbours.
 * Nodes keep their names and order; nodes that compute initializers come first. Not thread-safe.
 */
final class GraphEditor {
    /** Below IR 4 every initializer is an input too, and nothing can be folded. */
    private static final int LOWEST_IR = 4;

    private final OnnxModel graph;
    private final Map<String, TensorProto> initializers = new HashMap<>();
    private final Map<String, TensorProto> extra = new TreeMap<>();
    private final SequencedMap<String, NodeProto> first = new LinkedHashMap<>();
    private final List<NodeProto.Builder> nodes = new ArrayList<>();
    private final Map<Integer, List<NodeProto>> after = new HashMap<>();
    private final List<ValueInfoProto> inputs = new ArrayList<>();
    private final List<ExportPlan.Target> reshaped = new ArrayList<>();
    private final List<ExportPlan.Target> free = new ArrayList<>();

    GraphEditor(OnnxModel graph) {
        this.graph = graph;
        graph.proto().getGraph().getNodeList().forEach(node -> nodes.add(node.toBuilder()));
    }

    /** The graph before any edit. */
    OnnxModel graph() {
        return graph;
    }

    /** Puts another initializer in the place of the one of the same name, or adds one. */
    void put(TensorProto initializer) {
        first.remove(initializer.getName());
        if (graph.find(initializer.getName()).isPresent()) {
            initializers.put(initializer.getName(), initializer);
        } else {
            extra.put(initializer.getName(), initializer);
        }
    }

    /** Adds a node that computes what is constant; those it reads must have been added before. */
    NodeProto.Builder compute(String op, String output, String... reads) {
        return node(op, "graft/" + op + "/" + output, output, reads);
    }

    /**
     * Adds a node of {@link #compute}, in the place of one that wrote the same.
     *
     * @param node whose output may have the name of an initializer, which it then replaces
     */
    void first(NodeProto.Builder node) {
        String output = node.getOutput(0);
        first.remove(output); // its new inputs may have been added later than the old node was
        first.put(output, node.build());
    }

    /** Adds a node of {@link #compute} that casts to a type, by its ONNX number. */
    void cast(String from, String to, int type) {
        first(compute("Cast", to, from).addAttribute(integer("to", type)));
    }

    static NodeProto.Builder node(String op, String name, String output, String... reads) {
        return NodeProto.newBuilder()
                .setOpType(op)
                .setName(name)
                .addAllInput(List.of(reads))
                .addOutput(output);
    }

    static AttributeProto integer(String name, long value) {
        return AttributeProto.newBuilder()
                .setName(name)
                .setType(AttributeProto.AttributeType.INT)
                .setI(value)
                .build();
    }

    /** Makes a use read another value. */
    void rewire(Use use, String value) {
        nodes.get(use.node()).setInput(use.input(), value);
    }

    /**
     * Makes a node write its first output under another name, so that nodes added {@link #after} it
     * may write the old one.
     *
     * @return the new name
     */
    String intercept(int node, String suffix) {
        // the last one in the chain writes the name that everybody reads
        List<NodeProto> chain = after.computeIfAbsent(node, _ -> new ArrayList<>());
        String output = graph.proto().getGraph().getNode(node).getOutput(0);
        String number = chain.isEmpty() ? "" : "/" + chain.size(); // one node may have several
        String hidden = output + "/" + suffix + number;
        if (chain.isEmpty()) {
            nodes.get(node).setOutput(0, hidden);
        } else {
            int last = chain.size() - 1;
            chain.set(last, chain.get(last).toBuilder().setOutput(0, hidden).build());
        }
        return hidden;
    }

    /** Adds a node behind another one and what was added behind that before. */
    void after(int node, NodeProto.Builder added) {
        after.computeIfAbsent(node, _ -> new ArrayList<>()).add(added.build());
    }

    /** Adds an input; with an initializer of the same name it is optional. */
    void input(ValueInfoProto input) {
        inputs.add(input);
    }

    /** Remembers that everything computed from this initializer changes its last extent. */
    void reshape(ExportPlan.Target target) {
        reshaped.add(target);
    }

    /** Remembers that the changed extent of this initializer is another one for each task. */
    void free(ExportPlan.Target target) {
        free.add(target);
    }

    /** Writes the edited graph; its data files lie in the same folder. */
    void write(Path file, Map<String, String> metadata) throws IOException {
        ModelProto.Builder model = graph.proto().toBuilder();
        model.setIrVersion(Math.max(LOWEST_IR, model.getIrVersion()));
        GraphProto.Builder edited = model.getGraphBuilder();
        Set<String> old = new HashSet<>();
        List<TensorProto> kept = new ArrayList<>();
        for (TensorProto tensor : graph.proto().getGraph().getInitializerList()) {
            old.add(tensor.getName());
            if (!first.containsKey(tensor.getName())) {
                kept.add(initializers.getOrDefault(tensor.getName(), tensor));
            }
        }
        extra.values().stream().filter(t -> !first.containsKey(t.getName())).forEach(kept::add);
        edited.clearInitializer().addAllInitializer(kept);
        List<NodeProto> all = new ArrayList<>();
        for (int i = 0; i < nodes.size(); i++) {
            all.add(nodes.get(i).build());
            all.addAll(after.getOrDefault(i, List.of()));
        }
        edited.clearNode().addAllNode(readOfFirst(all)).addAllNode(all);
        List<ValueInfoProto> required =
                edited.getInputList().stream()
                        .filter(in ->
                                !old.contains(in.getName())
                                        || SlotNames.parse(in.getName()).isPresent())
                        .toList();
        edited.clearInput().addAllInput(required).addAllInput(inputs);
        dropUnread(edited);
        reshaped.forEach(target -> ShapeFollower.follow(edited, target, false));
        free.forEach(target -> ShapeFollower.follow(edited, target, true));
        Map<String, String> merged = new TreeMap<>(metadata);
        for (StringStringEntryProto entry : graph.proto().getMetadataPropsList()) {
            merged.putIfAbsent(entry.getKey(), entry.getValue());
        }
        model.clearMetadataProps();
        merged.forEach((key, value) ->
                model.addMetadataProps(
                        StringStringEntryProto.newBuilder().setKey(key).setValue(value)));
        try (OutputStream out = Files.newOutputStream(file)) {
            model.build().writeTo(out);
        }
    }

    /** Nodes that compute constants, without those whose results others have replaced. */
    private List<NodeProto> readOfFirst(List<NodeProto> others) {
        Set<String> read = new HashSet<>();
        graph.proto().getGraph().getOutputList().forEach(output -> read.add(output.getName()));
        addReads(others, read);
        List<NodeProto> kept = new ArrayList<>();
        for (NodeProto node : List.copyOf(first.sequencedValues()).reversed()) {
            if (read.contains(node.getOutput(0))) {
                kept.add(node);
                read.addAll(node.getInputList());
            }
        }
        return kept.reversed();
    }

    /** Initializers that no node reads any more, among them those the export left behind. */
    private static void dropUnread(GraphProto.Builder edited) {
        Set<String> read = new HashSet<>();
        edited.getOutputList().forEach(output -> read.add(output.getName()));
        addReads(edited.getNodeList(), read);
        List<TensorProto> kept =
                edited.getInitializerList().stream()
                        .filter(tensor -> read.contains(tensor.getName()))
                        .toList();
        edited.clearInitializer().addAllInitializer(kept);
    }

    private static void addReads(List<NodeProto> nodes, Set<String> read) {
        for (NodeProto node : nodes) {
            read.addAll(node.getInputList());
            for (AttributeProto attribute : node.getAttributeList()) {
                if (attribute.hasG()) {
                    addReads(attribute.getG().getNodeList(), read);
                    attribute.getG().getOutputList().forEach(out -> read.add(out.getName()));
                }
            }
        }
    }
}
