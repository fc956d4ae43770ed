package graft.convert.cli;

/** The command line asks for something impossible; found out before a byte is read. */
final class UsageException extends RuntimeException {
    private static final long serialVersionUID = 1;

    private final String help;

    UsageException(String message, String help) {
        super(message);
        this.help = help;
    }

    String help() {
        return help;
    }
}
