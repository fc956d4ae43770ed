package graft.convert.cli;

import graft.convert.ledger.Ledger;

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
        announce(printer, output);
    }

    /** Tells where the result is, or that there is none. */
    void announce(Printer printer, boolean dryRun) {
        if (dryRun) {
            announceDryRun(printer);
        } else {
            announce(printer);
        }
    }

    /** Tells that a folder with a ledger is the result. */
    static void announce(Printer printer, Path folder) {
        printer.human("Wrote %s (figures: %s)".formatted(folder, folder.resolve(Ledger.FILE_NAME)));
        printer.path(folder);
    }

    /** Tells that there is no result. */
    static void announceDryRun(Printer printer) {
        printer.human("Nothing written (--dry-run).");
    }
}
