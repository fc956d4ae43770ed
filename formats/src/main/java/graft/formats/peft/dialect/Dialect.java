package graft.formats.peft.dialect;

import graft.formats.FileSpot;
import graft.formats.UnsupportedFeatureException;

import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Optional;
import java.util.stream.Collectors;

/** A way to name an adapter's tensors. Stateless, safe from any thread. */
public sealed interface Dialect permits PeftNames, DiffusersNames, KohyaNames {
    /** All of them. */
    List<Dialect> ALL = List.of(new PeftNames(), new DiffusersNames(), new KohyaNames());

    /** What people call it. */
    String word();

    /** Whether a tensor of this name is of this dialect, understood or not. */
    boolean claims(String tensor);

    /** What the tensor is; empty if this dialect has no such name. */
    Optional<TensorRole> parse(String tensor);

    /** Where a module that {@link #parse} named lies in the base. */
    ModulePath locate(String module);

    /**
     * The dialect that {@code tensors} are named in.
     *
     * @throws UnsupportedFeatureException if they are named in two dialects, or in none
     */
    static Dialect of(FileSpot spot, Collection<String> tensors)
            throws UnsupportedFeatureException {
        List<Dialect> found = new ArrayList<>();
        for (Dialect dialect : ALL) {
            if (tensors.stream().anyMatch(dialect::claims)) {
                found.add(dialect);
            }
        }
        if (found.size() > 1) {
            throw new UnsupportedFeatureException(
                    spot,
                    "mixes the names of "
                            + found.stream()
                                    .map(Dialect::word)
                                    .collect(Collectors.joining(" and ")),
                    "split it into one file per dialect, or save it again from the tool that made it");
        }
        if (found.isEmpty()) {
            throw new UnsupportedFeatureException(
                    spot,
                    tensors.isEmpty()
                            ? "holds no tensor"
                            : "tensor %s is named in no adapter dialect that Graft knows"
                                    .formatted(FileSpot.quote(tensors.iterator().next())),
                    "Graft reads the names of peft, diffusers and kohya (sd-scripts);"
                            + " convert the adapter to one of them first");
        }
        return found.getFirst();
    }
}
