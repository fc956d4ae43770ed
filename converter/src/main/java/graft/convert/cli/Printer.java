package graft.convert.cli;

import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.function.Supplier;

/**
 * Where words go: results to standard output, everything else to standard error. With {@code
 * --json} and {@code --quiet} standard output holds one document or one path and nothing more.
 */
final class Printer {
    private final PrintWriter out;
    private final PrintWriter err;
    private final boolean json;
    private final boolean quiet;

    Printer(PrintWriter out, PrintWriter err, boolean json, boolean quiet) {
        this.out = out;
        this.err = err;
        this.json = json;
        this.quiet = quiet;
    }

    /** A result for people. */
    void human(String text) {
        if (!json && !quiet) {
            out.println(text);
            out.flush();
        }
    }

    /** Something worth knowing that is no result. */
    void note(String text) {
        if (!quiet) {
            err.println(text);
            err.flush();
        }
    }

    /** The result for programs, which is made only if it is asked for. */
    void document(Supplier<String> text) {
        if (json) {
            out.println(text.get());
            out.flush();
        }
    }

    /** The result of {@code --quiet}. */
    void path(Path output) {
        line(output.toString());
    }

    /** The result of {@code --quiet} where it is no path. */
    void line(String text) {
        if (quiet) {
            out.println(text);
            out.flush();
        }
    }
}
