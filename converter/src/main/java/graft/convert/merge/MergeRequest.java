package graft.convert.merge;

import graft.convert.plan.Progress;
import graft.formats.tensor.DType;

import java.nio.file.Path;
import java.util.List;
import java.util.Optional;

/**
 * What to merge.
 *
 * @param recipe the file that says what to merge, as {@link MergekitConfig} reads it; empty if the
 *     user said so otherwise
 * @param base θ₀, checkpoint file or folder
 * @param baseSource what the user called it
 * @param fineTunes at least one, in the order of the sum
 * @param options method and weights
 * @param statistics per fine-tune, in their order, for methods that weigh by statistics:
 *     checkpoints with the same tensor names
 * @param dtype type in which merged tensors are stored; empty for the base's own
 * @param maxShardBytes tensor bytes of a file; more are split into shards
 * @param output folder to create
 * @param force whether an existing output is replaced
 * @param allowUnrelated whether fine-tunes may be of another base; see {@link
 *     graft.convert.plan.Kinship#check}
 * @param threads tensors at once; 0 for all cores
 * @param progress hears bytes of all checkpoints read
 */
public record MergeRequest(
        Optional<Path> recipe,
        Path base,
        String baseSource,
        List<FineTune> fineTunes,
        MergeOptions options,
        List<Path> statistics,
        Optional<DType> dtype,
        long maxShardBytes,
        Path output,
        boolean force,
        boolean allowUnrelated,
        int threads,
        Progress progress) {
    /** A checkpoint and what the user called it. */
    public record FineTune(Path path, String source) {}

    /** Without a recipe, of fine-tunes that must be of the base. */
    public MergeRequest(
            Path base,
            String baseSource,
            List<FineTune> fineTunes,
            MergeOptions options,
            List<Path> statistics,
            Optional<DType> dtype,
            long maxShardBytes,
            Path output,
            boolean force,
            int threads,
            Progress progress) {
        this(
                Optional.empty(),
                base,
                baseSource,
                fineTunes,
                options,
                statistics,
                dtype,
                maxShardBytes,
                output,
                force,
                false,
                threads,
                progress);
    }

    /**
     * @throws IllegalArgumentException if there is nothing to merge, weights or statistics are not
     *     one per fine-tune, or the type holds no fractions
     */
    public MergeRequest {
        fineTunes = List.copyOf(fineTunes);
        statistics = List.copyOf(statistics);
        int count = fineTunes.size();
        boolean storable = dtype.map(DType::isComputable).orElse(true);
        if (count == 0 || !storable) {
            throw new IllegalArgumentException("%d fine-tunes into %s".formatted(count, dtype));
        }
        if (!options.weights().isEmpty() && options.weights().size() != count) {
            throw new IllegalArgumentException(
                    "weight: %d weights for %d fine-tunes"
                            .formatted(options.weights().size(), count));
        }
        int needed = options.method().needsStatistics() ? count : 0;
        if (statistics.size() != needed) {
            throw new IllegalArgumentException(
                    "statistics: %s needs %d files, there are %d"
                            .formatted(options.method().word(), needed, statistics.size()));
        }
    }
}
