package graft.convert.cli;

import picocli.CommandLine.Option;

import java.nio.file.Path;

/** Options of every verb that writes a folder. */
@SuppressWarnings("NullAway.Init") // picocli sets the fields
final class WriteOptions {
    @Option(
            names = {"-o", "--output"},
            required = true,
            paramLabel = "DIR",
            description = "Folder to create.")
    Path output;

    @Option(names = "--force", description = "Replace the output if it exists.")
    boolean force;

    @Option(names = "--dry-run", description = "Say what would be done; write nothing.")
    boolean dryRun;

    @Option(
            names = {"-j", "--threads"},
            paramLabel = "N",
            description = "Work on N cores at once; 0, the default, for all.")
    int threads;

    /** The number of threads, checked. */
    int threads() {
        if (threads < 0) {
            throw new UsageException("--threads " + threads, "--threads takes 0 or more");
        }
        return threads;
    }

    /** Tells where the result is, or that there is none. */
    void announce(Printer printer) {
        if (dryRun) {
            printer.human("Nothing written (--dry-run).");
        } else {
            printer.human("Wrote %s (figures: %s)".formatted(output, output.resolve("graft.json")));
            printer.path(output);
        }
    }
}
