package graft.convert.cli;

import graft.convert.plan.Progress;

import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** Options that every verb shares, and the printer they configure. */
final class CommonOptions {
    /** What goes to standard output. */
    enum Format {
        /** {@code human}; kept apart so that a script can say it does not care. */
        auto,
        /** Tables for people. */
        human,
        /** Exactly one JSON document, on failure too. */
        json,
        /** The path of the output alone. */
        quiet
    }

    @Spec(Spec.Target.MIXEE)
    CommandSpec spec;

    @Option(
            names = "--format",
            paramLabel = "auto|human|json|quiet",
            description = "What standard output gets.")
    Format format = Format.auto;

    @Option(names = "--json", description = "One JSON document on standard output, on failure too.")
    boolean json;

    @Option(
            names = {"-q", "--quiet"},
            description = "Print the path of the output alone.")
    boolean quiet;

    @Option(
            names = {"-v", "--verbose"},
            description = "Details, and the stack trace of an error.")
    boolean verbose;

    @SuppressWarnings("NullAway.Init") // picocli sets the spec
    CommonOptions() {}

    /** The printer these options ask for. */
    Printer printer() {
        boolean asJson = json || format == Format.json;
        boolean asQuiet = quiet || format == Format.quiet;
        if (asJson && asQuiet) {
            throw new UsageException("--json and --quiet exclude each other", "use one of them");
        }
        var line = spec.commandLine();
        return new Printer(line.getOut(), line.getErr(), asJson, asQuiet);
    }

    /** Progress on standard error, unless the output is for programs alone. */
    Progress progress() {
        return quiet || format == Format.quiet
                ? Progress.NONE
                : ProgressPrinter.onStandardError(spec.commandLine().getErr());
    }
}
