package graft.formats.onnx;

import graft.formats.FileSpot;
import graft.formats.io.Layouts;
import graft.formats.onnx.proto.AttributeProto;
import graft.formats.onnx.proto.GraphProto;
import graft.formats.onnx.proto.NodeProto;
import graft.formats.onnx.proto.TensorProto;
import graft.formats.onnx.proto.ValueInfoProto;
import graft.formats.tensor.DType;
import graft.formats.tensor.TensorInfo;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;

/**
 * What Graft asks of graphs it wrote beyond what every graph must satisfy: an IR and an opset
 * version, no initializer that nothing reads, scatter indices in range and each once. ONNX Runtime
 * accepts violations of all of these, or fails only when it runs.
 */
final class WrittenChecks {

    private WrittenChecks() {}

    /** A line per violation; empty if there is none. */
    static List<String> of(OnnxModel model) {
        List<String> complaints = new ArrayList<>();
        GraphProto graph = model.proto().getGraph();
        if (model.proto().getIrVersion() < 1 || model.opset() < 1) {
            complaints.add("states no IR version or no opset");
        }
        Set<String> read = new HashSet<>();
        graph.getOutputList().stream().map(ValueInfoProto::getName).forEach(read::add);
        addReads(graph, read);
        for (TensorProto tensor : graph.getInitializerList()) {
            if (!read.contains(tensor.getName())) {
                complaints.add(
                        "initializer %s is read by nothing"
                                .formatted(FileSpot.quote(tensor.getName())));
            }
        }
        for (NodeProto node : graph.getNodeList()) {
            if (node.getOpType().equals("ScatterND") && node.getInputCount() == 3) {
                checkScatter(model, node).ifPresent(complaints::add);
            }
        }
        return complaints;
    }

    private static void addReads(GraphProto graph, Set<String> read) {
        for (NodeProto node : graph.getNodeList()) {
            read.addAll(node.getInputList());
            for (AttributeProto attribute : node.getAttributeList()) {
                if (attribute.hasG()) {
                    addReads(attribute.getG(), read);
                }
                attribute.getGraphsList().forEach(body -> addReads(body, read));
            }
        }
    }

    /** Only scatters over an initializer at indices that are one; a bit per element is needed. */
    private static Optional<String> checkScatter(OnnxModel model, NodeProto node) {
        Optional<TensorInfo> data = model.find(node.getInput(0));
        Optional<TensorInfo> indices = model.find(node.getInput(1));
        if (data.isEmpty() || indices.isEmpty() || indices.get().dtype() != DType.I64) {
            return Optional.empty();
        }
        int axes = data.get().shape().rank();
        if (indices.get().shape().rank() != 2 || indices.get().shape().extent(1) != axes) {
            return Optional.empty();
        }
        MemorySegment bytes = model.bytes(indices.get().name());
        long elements = data.get().shape().elements();
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment seen = arena.allocate(Math.max(1, (elements + 7) / 8));
            for (long entry = 0; entry < indices.get().shape().extent(0); entry++) {
                long flat = 0;
                for (int axis = 0; axis < axes; axis++) {
                    long index = bytes.get(Layouts.I64, 8 * (entry * axes + axis));
                    long extent = data.get().shape().extent(axis);
                    if (index < 0 || index >= extent) {
                        return Optional.of(
                                "%s: entry %d has index %d of %d"
                                        .formatted(node.getName(), entry, index, extent));
                    }
                    flat = flat * extent + index;
                }
                byte bits = seen.get(ValueLayout.JAVA_BYTE, flat >> 3);
                if ((bits >> (flat & 7) & 1) != 0) {
                    return Optional.of(
                            "%s: entry %d repeats an index".formatted(node.getName(), entry));
                }
                seen.set(ValueLayout.JAVA_BYTE, flat >> 3, (byte) (bits | 1 << (flat & 7)));
            }
        }
        return Optional.empty();
    }
}
