package graft.convert.export;

import graft.formats.onnx.proto.TensorProto;

/**
 * An initializer of a base that tasks share, as its data holds it.
 *
 * @param tensor of whatever type the data has
 * @param isTurned whether rows and columns are swapped there
 */
record SharedTensor(TensorProto tensor, boolean isTurned) {
    /** As the graph has it, or narrower. */
    static SharedTensor straight(TensorProto tensor) {
        return new SharedTensor(tensor, false);
    }

    /** Whether it lies in the shared file, and not in each graph. */
    boolean isExternal() {
        return tensor.getDataLocation() == TensorProto.DataLocation.EXTERNAL;
    }

    /** Whether nodes stand between the data and the value of this type, by its ONNX number. */
    boolean isComputed(int type) {
        return isTurned || tensor.getDataType() != type;
    }

    /**
     * As {@link #add}, of one axis. Where it lies as the graph has it no node is needed for that:
     * ONNX Runtime maps it, and keeps no copy.
     */
    void addFlat(GraphEditor editor, String output, int type) {
        if (isTurned) {
            String shaped = output + "/shaped";
            add(editor, shaped, type);
            editor.put(SparseInitializer.integers("graft/flat", -1).addDims(1).build());
            editor.first(editor.compute("Reshape", output, shaped, "graft/flat"));
        } else {
            long elements = tensor.getDimsList().stream().reduce(1L, Math::multiplyExact);
            straight(tensor.toBuilder().clearDims().addDims(elements).build())
                    .add(editor, output, type);
        }
    }

    /** Adds what makes a value of it; ONNX Runtime computes that once, when it loads the graph. */
    void add(GraphEditor editor, String output, int type) {
        if (!isComputed(type)) {
            editor.put(tensor.toBuilder().setName(output).build());
            return;
        }
        String from = "graft/stored/" + output;
        editor.put(tensor.toBuilder().setName(from).build());
        if (tensor.getDataType() != type) {
            String cast = isTurned ? "graft/cast/" + output : output;
            editor.cast(from, cast, type);
            from = cast;
        }
        if (isTurned) {
            editor.first(editor.compute("Transpose", output, from));
        }
    }
}
