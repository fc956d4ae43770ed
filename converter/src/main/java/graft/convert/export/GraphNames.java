package graft.convert.export;

import graft.formats.onnx.proto.AttributeProto;
import graft.formats.onnx.proto.GraphProto;
import graft.formats.onnx.proto.NodeProto;
import graft.formats.onnx.proto.StringStringEntryProto;

import java.util.ArrayList;
import java.util.HashMap;
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
 * one, into the node metadata {@code pkg.torch.onnx.name_scopes}.
 */
final class GraphNames {
    private static final String SCOPES = "pkg.torch.onnx.name_scopes";

    private final Map<String, List<NodeProto>> readers = new HashMap<>();

    GraphNames(GraphProto graph) {
        for (NodeProto node : graph.getNodeList()) {
            for (String input : node.getInputList()) {
                readers.computeIfAbsent(input, _ -> new ArrayList<>()).add(node);
            }
        }
    }

    /** Nodes that read a value. */
    List<NodeProto> readers(String value) {
        return readers.getOrDefault(value, List.of());
    }

    /** Tensor names that the nodes reading an initializer suggest. */
    Set<String> suggestions(String initializer) {
        Set<String> names = new LinkedHashSet<>();
        for (NodeProto node : readers(initializer)) {
            String path = modulePath(node);
            if (!path.isEmpty()) {
                boolean bias =
                        node.getOpType().equals("Add")
                                || node.getInputList().indexOf(initializer) == 2;
                names.add(path + (bias ? ".bias" : ".weight"));
            }
        }
        return names;
    }

    private static String modulePath(NodeProto node) {
        for (StringStringEntryProto entry : node.getMetadataPropsList()) {
            if (entry.getKey().equals(SCOPES)) {
                String[] scopes = entry.getValue().replaceAll("[\\[\\]' ]", "").split(",", -1);
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
                .anyMatch(node ->
                        node.getInputList().indexOf(initializer) == 1
                                && (node.getOpType().equals("MatMul")
                                        || (node.getOpType().equals("Gemm")
                                                && !transposesRight(node))));
    }

    private static boolean transposesRight(NodeProto gemm) {
        return gemm.getAttributeList().stream()
                .filter(attribute -> attribute.getName().equals("transB"))
                .mapToLong(AttributeProto::getI)
                .anyMatch(value -> value != 0);
    }

    /**
     * Whether two names mean the same tensor: equal, or one with a prefix such as {@code bert.}.
     */
    static boolean same(String left, String right) {
        return left.equals(right) || left.endsWith("." + right) || right.endsWith("." + left);
    }
}
