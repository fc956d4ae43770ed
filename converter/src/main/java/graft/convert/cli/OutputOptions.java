package graft.convert.cli;

import picocli.CommandLine.Option;

import java.nio.file.Path;

/** Where a verb writes its folder. */
@SuppressWarnings("NullAway.Init") // picocli sets the fields
final class OutputOptions {
    @Option(
            names = {"-o", "--output"},
            required = true,
            paramLabel = "DIR",
            description = "Folder to create.")
    Path output;

    @Option(names = "--force", description = "Replace the output if it exists.")
    boolean force;

    /** Tells where the result is. */
    void announce(Printer printer) {
        printer.human("Wrote %s (figures: %s)".formatted(output, output.resolve("graft.json")));
        printer.path(output);
    }

    /** Tells that there is no result. */
    static void announceDryRun(Printer printer) {
        printer.human("Nothing written (--dry-run).");
    }
}
