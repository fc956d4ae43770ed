package graft.convert.export;

import graft.formats.onnx.proto.AttributeProto;
import graft.formats.onnx.proto.GraphProto;
import graft.formats.onnx.proto.NodeProto;
import graft.formats.onnx.proto.StringStringEntryProto;
import graft.formats.onnx.proto.TensorProto;
import graft.formats.onnx.proto.ValueInfoProto;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * What a graph's names say of its initializers: their own, and the paths of the nodes that read
 * them.
 *
 * <p>torch's first exporter names nodes by module path, {@code
 * /encoder/layer.0/attention/self/query/MatMul}; its second puts the path of the module, last but
 * one, into the node metadata {@code pkg.torch.onnx.name_scopes}, and what an initializer was
 * folded from into the metadata of that initializer's description among the graph's values.
 */
final class GraphNames {
    private static final String SCOPES = "pkg.torch.onnx.name_scopes";

    /** onnxscript's FOLDED_FROM_KEY, now and as it once was. */
    private static final Set<String> FOLDED_FROM =
            Set.of(
                    "pkg.onnxscript.optimizer.folded_from",
                    "pkg.onnxscript.optimizer.constant_folding.folded_from");

    private static final Set<String> WITH_BIAS = Set.of("Gemm", "Conv", "LayerNormalization");

    /** Operators that give their input's values on, cast or turned. */
    static final Set<String> TRANSPARENT = Set.of("Transpose", "Cast", "Identity");

    private final GraphProto graph;
    private final Map<String, List<Use>> readers = new HashMap<>();
    private final Map<String, Set<String>> foldedFrom = new HashMap<>();

    GraphNames(GraphProto graph) {
        this.graph = graph;
        for (int n = 0; n < graph.getNodeCount(); n++) {
            NodeProto node = graph.getNode(n);
            for (int i = 0; i < node.getInputCount(); i++) {
                readers.computeIfAbsent(node.getInput(i), _ -> new ArrayList<>())
                        .add(new Use(n, i));
            }
        }
        for (TensorProto tensor : graph.getInitializerList()) {
            note(tensor.getName(), tensor.getMetadataPropsList());
        }
        for (ValueInfoProto value : graph.getValueInfoList()) {
            note(value.getName(), value.getMetadataPropsList());
        }
    }

    private void note(String value, List<StringStringEntryProto> metadata) {
        for (StringStringEntryProto entry : metadata) {
            if (FOLDED_FROM.contains(entry.getKey())) {
                foldedFrom.put(value, new LinkedHashSet<>(List.of(listed(entry.getValue()))));
            }
        }
    }

    /** Elements of a Python list of strings as a dynamo export writes it. */
    private static String[] listed(String list) {
        return list.replaceAll("[\\[\\]'\" ]", "").split(",", -1);
    }

    /** Places that read a value. */
    List<Use> readers(String value) {
        return readers.getOrDefault(value, List.of());
    }

    /** The node of a use. */
    NodeProto node(Use use) {
        return graph.getNode(use.node());
    }

    /** Names that the exporter noted an initializer was folded from. */
    Set<String> foldedFrom(String initializer) {
        return foldedFrom.getOrDefault(initializer, Set.of());
    }

    /** Tensor names that the nodes reading an initializer suggest. */
    Set<String> suggestions(String initializer) {
        Set<String> names = new LinkedHashSet<>();
        readers(initializer).forEach(use -> names.addAll(suggestions(use)));
        return names;
    }

    /** Tensor names that one reader suggests. */
    Set<String> suggestions(Use use) {
        Set<String> names = new LinkedHashSet<>();
        suggest(use, names, new HashSet<>());
        return names;
    }

    private void suggest(Use use, Set<String> names, Set<Use> seen) {
        if (!seen.add(use)) {
            return;
        }
        NodeProto node = node(use);
        String path = modulePath(node);
        if (TRANSPARENT.contains(node.getOpType())) {
            for (String output : node.getOutputList()) {
                readers(output).forEach(next -> suggest(next, names, seen));
            }
        }
        if (!path.isEmpty()) {
            boolean third = use.input() == 2 && WITH_BIAS.contains(node.getOpType());
            boolean bias = third || node.getOpType().equals("Add");
            names.add(path + (bias ? ".bias" : ".weight"));
        }
    }

    /** The module a node belongs to, with dots; empty if it does not say. */
    static String modulePath(NodeProto node) {
        for (StringStringEntryProto entry : node.getMetadataPropsList()) {
            if (entry.getKey().equals(SCOPES)) {
                String[] scopes = listed(entry.getValue());
                return scopes.length < 2 ? "" : scopes[scopes.length - 2];
            }
        }
        String name = node.getName();
        int end = name.lastIndexOf('/');
        return name.startsWith("/") && end > 0 ? name.substring(1, end).replace('/', '.') : "";
    }

    /**
     * Whether a matrix is read as torch's linear layers are exported by folding: the right factor
     * of a MatMul or of a Gemm that does not transpose it, so that it holds a transposed weight.
     */
    boolean isRightFactor(String initializer) {
        return readers(initializer).stream()
                .anyMatch(use ->
                        use.input() == 1
                                && (node(use).getOpType().equals("MatMul")
                                        || (node(use).getOpType().equals("Gemm")
                                                && integer(node(use), "transB", 0) == 0)));
    }

    /** An integer attribute, or what the operator takes when it is absent. */
    static long integer(NodeProto node, String name, long absent) {
        return node.getAttributeList().stream()
                .filter(attribute -> attribute.getName().equals(name))
                .mapToLong(AttributeProto::getI)
                .findFirst()
                .orElse(absent);
    }

    /**
     * Whether two names mean the same tensor: equal, or one with a prefix such as {@code bert.}.
     */
    static boolean same(String left, String right) {
        return left.equals(right) || left.endsWith("." + right) || right.endsWith("." + left);
    }
}
