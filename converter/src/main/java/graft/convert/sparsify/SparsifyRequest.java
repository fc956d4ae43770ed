package graft.convert.sparsify;

import graft.convert.plan.Progress;

import java.nio.file.Path;

/**
 * What to sparsify and how.
 *
 * @param fineTune checkpoint file or folder
 * @param source what the user called it
 * @param base checkpoint that the delta will build on: θ₀ or a merged model
 * @param baseSource what the user called it
 * @param options selection and coding
 * @param layout of the file that is written
 * @param output folder to create
 * @param force whether an existing output is replaced
 * @param allowUnrelated whether the fine-tune may be of another base; see {@link
 *     graft.convert.plan.Kinship#check}
 * @param dryRun whether to stop when the sizes are known, with nothing written
 * @param threads tensors at once; 0 for all cores
 * @param progress hears bytes of both checkpoints read, per pass
 */
public record SparsifyRequest(
        Path fineTune,
        String source,
        Path base,
        String baseSource,
        SparsifyOptions options,
        Layout layout,
        Path output,
        boolean force,
        boolean allowUnrelated,
        boolean dryRun,
        int threads,
        Progress progress) {
    /** How what is kept lies in its file. */
    public enum Layout {
        /** {@code delta.safetensors}: the smallest, and all that Graft itself reads. */
        delta,
        /** {@code residual.safetensors}, as compressed-tensors' {@code sparse-bitmask}. */
        bitmask;

        /** As the command line and ledgers spell it. */
        public String word() {
            return this == bitmask ? "sparse-bitmask" : name();
        }
    }

    /** A delta of a fine-tune that must be of the base. */
    public SparsifyRequest(
            Path fineTune,
            String source,
            Path base,
            String baseSource,
            SparsifyOptions options,
            Path output,
            boolean force,
            boolean dryRun,
            int threads,
            Progress progress) {
        this(
                fineTune,
                source,
                base,
                baseSource,
                options,
                Layout.delta,
                output,
                force,
                false,
                dryRun,
                threads,
                progress);
    }
}
