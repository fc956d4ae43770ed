package graft.convert.cli;

import org.jspecify.annotations.Nullable;

import picocli.CommandLine.Option;

import java.nio.file.Path;

/** How REFs on the Hub are reached; the names are those of huggingface_hub. */
final class NetworkOptions {
    @Option(
            names = "--revision",
            paramLabel = "REV",
            description = "Branch, tag or commit of the REF on the Hub.")
    @Nullable String revision;

    @Option(
            names = "--token",
            paramLabel = "TOKEN",
            description = "Access token; better set HF_TOKEN, since others see a command line.")
    @Nullable String token;

    @Option(
            names = "--cache-dir",
            paramLabel = "DIR",
            description = "Cache of downloads; default HF_HUB_CACHE.")
    @Nullable Path cacheDir;

    @Option(names = "--offline", description = "Use what the cache has, and no network.")
    boolean offline;

    @Option(
            names = "--max-workers",
            paramLabel = "N",
            description = "Requests at the same time; default 8.")
    @Nullable Integer maxWorkers;
}
