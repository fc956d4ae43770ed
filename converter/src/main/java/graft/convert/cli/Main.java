package graft.convert.cli;

import graft.convert.linalg.Kernels;

import java.util.Set;

/** Entry point of {@code graft}. */
public final class Main {
    /** Verbs whose first work is linear algebra. */
    private static final Set<String> WITH_KERNEL = Set.of("reduce", "combine", "extract");

    private Main() {}

    public static void main(String[] args) {
        if (args.length > 0 && WITH_KERNEL.contains(args[0])) {
            Kernels.preload(); // beside the command line, which takes as long
        }
        var line = GraftCommand.commandLine(args);
        int code;
        try {
            code = line.execute(args);
        } catch (Error e) { // no heap, no native library: picocli hands on exceptions only
            code = Errors.onError(e, line, args);
        }
        System.exit(code);
    }
}
