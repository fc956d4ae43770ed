package graft.convert.cli;

import org.jspecify.annotations.Nullable;

import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

import java.util.List;

/** Fine-tunes and the model that they started from. */
@SuppressWarnings("NullAway.Init") // picocli sets the fields
final class FineTuneOptions {
    @Parameters(
            arity = "1..*",
            paramLabel = "FINETUNE",
            description = "Checkpoint files or folders.")
    List<String> fineTunes;

    @Option(names = "--base", paramLabel = "REF", description = "What they started from.")
    @Nullable String base;

    /** The base, which every verb needs that is not told of it otherwise. */
    String base() {
        if (base == null) {
            throw new UsageException("no --base", "say what they started from: --base REF");
        }
        return base;
    }
}
