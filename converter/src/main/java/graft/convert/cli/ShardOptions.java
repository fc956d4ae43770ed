package graft.convert.cli;

import graft.formats.checkpoint.CheckpointWriter;

import org.jspecify.annotations.Nullable;

import picocli.CommandLine.Option;

/** How large the files of a checkpoint may become. */
final class ShardOptions {
    static final String NAME = "--max-shard-size";

    @Option(
            names = NAME,
            paramLabel = "SIZE",
            description = "Largest file of weights; default 5GB, as on the Hub.")
    @Nullable String size;

    /** Bytes, checked. */
    long checked() {
        if (size == null) {
            return CheckpointWriter.DEFAULT_SHARD_BYTES;
        }
        long bytes = Sizes.parse(NAME, size);
        if (bytes < 1) {
            throw new UsageException(NAME + " " + size, "give it a size such as 5GB");
        }
        return bytes;
    }
}
