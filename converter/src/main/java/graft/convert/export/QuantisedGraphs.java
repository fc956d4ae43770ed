package graft.convert.export;

import graft.formats.FileSpot;
import graft.formats.UnsupportedFeatureException;
import graft.formats.onnx.OnnxModel;
import graft.formats.onnx.proto.NodeProto;

import java.util.HashSet;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;

/**
 * Recognises graphs whose weights are integers. A delta of a float model put over them would be
 * rounded to a few bits without anybody having said so.
 */
final class QuantisedGraphs {
    private static final Set<String> OPERATORS =
            Set.of(
                    "DequantizeLinear",
                    "MatMulNBits",
                    "MatMulBnb4",
                    "MatMulInteger",
                    "MatMulIntegerToFloat",
                    "DynamicQuantizeMatMul",
                    "QLinearMatMul",
                    "QGemm",
                    "QAttention",
                    "GatherBlockQuantized",
                    "QMoE");

    private QuantisedGraphs() {}

    static void refuse(OnnxModel graph) throws UnsupportedFeatureException {
        Set<String> initializers = new HashSet<>();
        graph.proto().getGraph().getInitializerList().forEach(t -> initializers.add(t.getName()));
        Map<String, Integer> counts = new TreeMap<>();
        for (NodeProto node : graph.proto().getGraph().getNodeList()) {
            if (OPERATORS.contains(node.getOpType())
                    && node.getInputList().stream().anyMatch(initializers::contains)) {
                counts.merge(node.getOpType(), 1, Integer::sum);
            }
        }
        if (!counts.isEmpty()) {
            throw new UnsupportedFeatureException(
                    FileSpot.of(graph.file()),
                    "its weights are quantised (nodes %s)".formatted(counts),
                    "give the float export of the model, usually model.onnx; quantise after exporting if you must");
        }
    }
}
