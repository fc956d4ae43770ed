package graft.convert.export;

import graft.formats.onnx.proto.GraphProto;
import graft.formats.onnx.proto.NodeProto;
import graft.formats.onnx.proto.TensorShapeProto;
import graft.formats.onnx.proto.ValueInfoProto;
import graft.formats.tensor.Shape;

import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;

/** Declared shapes after a head or a vocabulary got another size. */
final class ShapeFollower {
    private ShapeFollower() {}

    /**
     * The last extent of whatever a reshaped initializer computes follows its number of classes; a
     * table that is only gathered from gives rows of the same length whatever its own.
     *
     * @param free whether the extent is another one for each task
     */
    static void follow(GraphProto.Builder edited, ExportPlan.Target target, boolean free) {
        int axis = changedAxis(target);
        long before = target.before().shape().extent(axis);
        var after = TensorShapeProto.Dimension.newBuilder();
        if (free) {
            after.setDimParam(WholeSlots.FREE);
        } else {
            after.setDimValue(target.after().shape().extent(axis));
        }
        Set<String> downstream = downstream(edited, target.after().name(), axis == 0);
        List<ValueInfoProto> infos = new ArrayList<>();
        for (ValueInfoProto info : edited.getValueInfoList()) {
            if (!info.getName().equals(target.after().name())) { // torch describes initializers too
                infos.add(
                        downstream.contains(info.getName())
                                ? withLast(info, before, after.build())
                                : info);
            }
        }
        edited.clearValueInfo().addAllValueInfo(infos);
        for (int i = 0; i < edited.getOutputCount(); i++) {
            if (downstream.contains(edited.getOutput(i).getName())) {
                edited.setOutput(i, withLast(edited.getOutput(i), before, after.build()));
            }
        }
    }

    private static int changedAxis(ExportPlan.Target target) {
        Shape before = target.before().shape();
        for (int axis = 0; axis < before.rank(); axis++) {
            if (before.extent(axis) != target.after().shape().extent(axis)) {
                return axis;
            }
        }
        throw new IllegalStateException(target.before().name() + " keeps its shape");
    }

    private static Set<String> downstream(
            GraphProto.Builder graph, String initializer, boolean rowsChanged) {
        Set<String> reached = new HashSet<>();
        for (NodeProto node : graph.getNodeList()) { // topological: one pass reaches all
            boolean gathers =
                    rowsChanged
                            && node.getOpType().equals("Gather")
                            && node.getInput(0).equals(initializer);
            boolean reads =
                    node.getInputList().contains(initializer)
                            || node.getInputList().stream().anyMatch(reached::contains);
            if (reads && !gathers) {
                reached.addAll(node.getOutputList());
            }
        }
        return reached;
    }

    private static ValueInfoProto withLast(
            ValueInfoProto info, long before, TensorShapeProto.Dimension after) {
        TensorShapeProto shape = info.getType().getTensorType().getShape();
        int last = shape.getDimCount() - 1;
        if (last < 0 || shape.getDim(last).getDimValue() != before) {
            return info;
        }
        ValueInfoProto.Builder changed = info.toBuilder();
        changed.getTypeBuilder().getTensorTypeBuilder().getShapeBuilder().setDim(last, after);
        return changed.build();
    }
}
