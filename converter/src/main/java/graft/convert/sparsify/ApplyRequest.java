package graft.convert.sparsify;

import graft.convert.plan.Progress;

import java.nio.file.Path;

/**
 * What to rebuild.
 *
 * @param delta folder or file of a sparse delta
 * @param source what the user called it
 * @param base the checkpoint the delta builds on
 * @param baseSource what the user called it
 * @param maxShardBytes tensor bytes of a file; more are split into shards
 * @param output folder to create
 * @param force whether an existing output is replaced and another base than the recorded one is
 *     used
 * @param threads tensors at once; 0 for all cores
 * @param progress hears bytes of the model written
 */
public record ApplyRequest(
        Path delta,
        String source,
        Path base,
        String baseSource,
        long maxShardBytes,
        Path output,
        boolean force,
        int threads,
        Progress progress) {}
