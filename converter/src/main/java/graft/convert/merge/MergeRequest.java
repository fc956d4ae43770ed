package graft.convert.merge;

import graft.convert.plan.Progress;

import java.nio.file.Path;
import java.util.List;

/**
 * What to merge.
 *
 * @param base θ₀, checkpoint file or folder
 * @param baseSource what the user called it
 * @param fineTunes at least one, in the order of the sum
 * @param weight λ, the share of every task vector
 * @param output folder to create
 * @param force whether an existing output is replaced
 * @param threads tensors at once; 0 for all cores
 * @param progress hears bytes of all checkpoints read
 */
public record MergeRequest(
        Path base,
        String baseSource,
        List<FineTune> fineTunes,
        double weight,
        Path output,
        boolean force,
        int threads,
        Progress progress) {
    /** FusionBench's value, not known to be the paper's. */
    public static final double DEFAULT_WEIGHT = 0.3;

    /** A checkpoint and what the user called it. */
    public record FineTune(Path path, String source) {}

    /**
     * @throws IllegalArgumentException if there is nothing to merge or λ is no number
     */
    public MergeRequest {
        fineTunes = List.copyOf(fineTunes);
        if (fineTunes.isEmpty() || !Double.isFinite(weight)) {
            throw new IllegalArgumentException(
                    "%d fine-tunes with weight %s".formatted(fineTunes.size(), weight));
        }
    }
}
