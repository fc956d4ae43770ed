package graft.convert.merge;

import graft.convert.plan.Progress;
import graft.formats.tensor.DType;

import java.nio.file.Path;
import java.util.List;
import java.util.Optional;

/**
 * What to merge.
 *
 * @param base θ₀, checkpoint file or folder
 * @param baseSource what the user called it
 * @param fineTunes at least one, in the order of the sum
 * @param weight λ, the share of every task vector
 * @param dtype type in which merged tensors are stored; empty for the base's own
 * @param maxShardBytes tensor bytes of a file; more are split into shards
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
        Optional<DType> dtype,
        long maxShardBytes,
        Path output,
        boolean force,
        int threads,
        Progress progress) {
    /** FusionBench's value, not known to be the paper's. */
    public static final double DEFAULT_WEIGHT = 0.3;

    /** A checkpoint and what the user called it. */
    public record FineTune(Path path, String source) {}

    /**
     * @throws IllegalArgumentException if there is nothing to merge, λ is no number, or the type
     *     holds no fractions
     */
    public MergeRequest {
        fineTunes = List.copyOf(fineTunes);
        boolean storable = dtype.map(DType::isComputable).orElse(true);
        if (fineTunes.isEmpty() || !Double.isFinite(weight) || !storable) {
            throw new IllegalArgumentException(
                    "%d fine-tunes with weight %s into %s"
                            .formatted(fineTunes.size(), weight, dtype));
        }
    }
}
