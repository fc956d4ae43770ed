package graft.formats.onnx;

import graft.formats.FileSpot;
import graft.formats.MalformedFileException;
import graft.formats.onnx.proto.GraphProto;
import graft.formats.onnx.proto.NodeProto;
import graft.formats.onnx.proto.TensorProto;
import graft.formats.onnx.proto.ValueInfoProto;

import java.util.HashSet;
import java.util.Set;

/** Structural rules that ONNX Runtime accepts violations of, or reports from deep inside. */
final class GraphChecks {
    private GraphChecks() {}

    static void check(FileSpot spot, GraphProto graph) throws MalformedFileException {
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
        for (NodeProto node : graph.getNodeList()) {
            for (String input : node.getInputList()) {
                if (!input.isEmpty() && !known.contains(input)) {
                    throw new MalformedFileException(
                            spot,
                            "node %s reads %s, which nothing before it writes"
                                    .formatted(
                                            FileSpot.quote(node.getName()), FileSpot.quote(input)));
                }
            }
            for (String output : node.getOutputList()) {
                if (!output.isEmpty() && !known.add(output)) {
                    throw new MalformedFileException(
                            spot,
                            "node %s writes %s a second time"
                                    .formatted(
                                            FileSpot.quote(node.getName()),
                                            FileSpot.quote(output)));
                }
            }
        }
        for (ValueInfoProto output : graph.getOutputList()) {
            if (!known.contains(output.getName())) {
                throw new MalformedFileException(
                        spot, "nothing writes the output " + FileSpot.quote(output.getName()));
            }
        }
    }
}
