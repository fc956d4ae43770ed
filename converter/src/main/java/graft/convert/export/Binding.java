package graft.convert.export;

/**
 * Which checkpoint tensor an initializer holds.
 *
 * @param initializer name in the graph
 * @param tensor name in the checkpoint
 * @param transform how the tensor lies in the initializer
 * @param how what the decision rests on
 */
public record Binding(String initializer, String tensor, Transform transform, Evidence how) {
    /** How the tensor lies in the initializer. */
    public enum Transform {
        /** As in the checkpoint. */
        IDENTITY,
        /** Rows and columns swapped: exporters fold a linear layer's transpose. */
        TRANSPOSE
    }

    /** What a binding rests on, strongest first. */
    public enum Evidence {
        /** The bytes, after a cast to the initializer's type, are those of one tensor alone. */
        HASH,
        /** The bytes are those of several tensors; the initializer has the name of one. */
        NAME,
        /** The bytes are those of several tensors; a node that reads it lies at the path of one. */
        PATH
    }
}
