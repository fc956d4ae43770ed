package graft.convert.export;

import java.util.List;

/**
 * Which checkpoint tensor an initializer holds.
 *
 * @param initializer name in the graph
 * @param tensor name in the checkpoint
 * @param layout how the tensor lies in the initializer
 * @param how what the decision rests on
 * @param uses the places where the initializer stands for this tensor, if it stands for several
 *     equal ones; empty for everywhere
 */
public record Binding(
        String initializer, String tensor, Layout layout, Evidence how, List<Use> uses) {
    public Binding {
        uses = List.copyOf(uses);
    }

    /** What a binding rests on, strongest first. */
    public enum Evidence {
        /** The bytes, after a cast to the initializer's type, are those of one tensor alone. */
        HASH,
        /** The bytes are those of several tensors; the initializer has the name of one. */
        NAME,
        /** The bytes are those of several tensors; a node that reads it lies at the path of one. */
        PATH,
        /** The bytes are those of several tensors; the exporter noted what it was folded from. */
        FOLDED_FROM,
        /** Values were compared one by one: parts of an initializer, or scaled or shifted ones. */
        VALUES
    }
}
