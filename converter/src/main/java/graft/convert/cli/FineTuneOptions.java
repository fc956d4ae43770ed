package graft.convert.cli;

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

    @Option(
            names = "--base",
            required = true,
            paramLabel = "REF",
            description = "What they started from.")
    String base;
}
