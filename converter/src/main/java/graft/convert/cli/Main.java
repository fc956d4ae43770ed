package graft.convert.cli;

/** Entry point of {@code graft}. */
public final class Main {
    private Main() {}

    public static void main(String[] args) {
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
