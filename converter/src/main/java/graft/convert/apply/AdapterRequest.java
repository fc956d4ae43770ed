package graft.convert.apply;

import graft.convert.plan.Progress;

import org.jspecify.annotations.Nullable;

import java.nio.file.Path;
import java.util.List;

/**
 * What to merge.
 *
 * @param adapter folder or file
 * @param source what the user called it
 * @param bases what it builds on: one model or pipeline without a component, or one per component
 * @param initial the adapter that training started from, for one whose base was changed (PiSSA and
 *     its like); or null
 * @param rounding where to round
 * @param output folder to create
 * @param force whether an existing output is replaced
 * @param threads tensors at once; 0 for all cores
 * @param progress hears bytes written
 */
public record AdapterRequest(
        Path adapter,
        String source,
        List<Base> bases,
        @Nullable Path initial,
        Rounding rounding,
        Path output,
        boolean force,
        int threads,
        Progress progress) {
    /**
     * A checkpoint file or folder, or the folder of a diffusers pipeline.
     *
     * @param component such as {@code unet}; empty if the user gave none
     * @param source what the user called it
     */
    public record Base(String component, Path path, String source) {}

    /**
     * @throws IllegalArgumentException if there is no base
     */
    public AdapterRequest {
        bases = List.copyOf(bases);
        if (bases.isEmpty()) {
            throw new IllegalArgumentException("no base");
        }
    }
}
