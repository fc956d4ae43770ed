package graft.convert.cli;

/** Entry point of {@code graft}. */
public final class Main {
    private Main() {}

    public static void main(String[] args) {
        System.exit(GraftCommand.commandLine(args).execute(args));
    }
}
