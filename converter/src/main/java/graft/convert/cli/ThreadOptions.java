package graft.convert.cli;

import picocli.CommandLine.Option;

/** How many cores a verb may use. */
final class ThreadOptions {
    @Option(
            names = {"-j", "--threads"},
            paramLabel = "N",
            description = "Work on N cores at once; 0, the default, for all.")
    int threads;

    /** The number, checked. */
    int checked() {
        if (threads < 0) {
            throw new UsageException("--threads " + threads, "--threads takes 0 or more");
        }
        return threads;
    }
}
