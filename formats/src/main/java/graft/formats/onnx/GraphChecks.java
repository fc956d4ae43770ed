package graft.formats.onnx;

import graft.formats.FileSpot;
import graft.formats.MalformedFileException;
import graft.formats.onnx.proto.AttributeProto;
import graft.formats.onnx.proto.GraphProto;
import graft.formats.onnx.proto.NodeProto;
import graft.formats.onnx.proto.TensorProto;
import graft.formats.onnx.proto.ValueInfoProto;

import java.util.HashSet;
import java.util.Set;

/**
 * Structural rules that ONNX Runtime accepts violations of, or reports from deep inside: unique
 * names, topological order, outputs that something writes; in the bodies of If and Loop, too.
 */
final class GraphChecks {
    private GraphChecks() {}

    static void check(FileSpot spot, GraphProto graph) throws MalformedFileException {
        check(spot, graph, Set.of());
    }

    /**
     * @param outer names that the body of a node sees of the graph around it
     */
    private static void check(FileSpot spot, GraphProto graph, Set<String> outer)
            throws MalformedFileException {
        Set<String> known = new HashSet<>();
        for (TensorProto tensor : graph.getInitializerList()) {
            if (tensor.getName().isEmpty() || !known.add(tensor.getName())) {
                throw new MalformedFileException(
                        spot.tensor(tensor.getName()),
                        "two initializers of this name, or none at all");
            }
        }
        graph.getSparseInitializerList().forEach(s -> known.add(s.getValues().getName()));
        for (ValueInfoProto input : graph.getInputList()) {
            known.add(input.getName()); // an old graph lists its initializers here too
        }
        known.addAll(outer);
        for (NodeProto node : graph.getNodeList()) {
            node(spot, node, known);
        }
        for (ValueInfoProto output : graph.getOutputList()) {
            if (!known.contains(output.getName())) {
                throw new MalformedFileException(
                        spot, "nothing writes the output " + FileSpot.quote(output.getName()));
            }
        }
    }

    private static void node(FileSpot spot, NodeProto node, Set<String> known)
            throws MalformedFileException {
        for (String input : node.getInputList()) {
            if (!input.isEmpty() && !known.contains(input)) {
                throw new MalformedFileException(
                        spot,
                        "node %s reads %s, which nothing before it writes"
                                .formatted(FileSpot.quote(node.getName()), FileSpot.quote(input)));
            }
        }
        for (AttributeProto attribute : node.getAttributeList()) {
            if (attribute.hasG()) {
                check(spot, attribute.getG(), known);
            }
            for (GraphProto body : attribute.getGraphsList()) {
                check(spot, body, known);
            }
        }
        for (String output : node.getOutputList()) {
            if (!output.isEmpty() && !known.add(output)) {
                throw new MalformedFileException(
                        spot,
                        "node %s writes %s a second time"
                                .formatted(FileSpot.quote(node.getName()), FileSpot.quote(output)));
            }
        }
    }
}
