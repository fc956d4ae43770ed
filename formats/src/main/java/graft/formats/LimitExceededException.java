package graft.formats;

/** Reading on would cost more memory or time than a file of this kind may ask for. */
public final class LimitExceededException extends FormatException {
    private static final long serialVersionUID = 1;

    private static final String HELP =
            "no real model needs this much; the file is damaged or hostile";

    public LimitExceededException(FileSpot spot, String problem) {
        super(null, spot, problem, HELP);
    }

    /** As above, naming the rule. */
    public LimitExceededException(FormatRule rule, FileSpot spot, String problem) {
        super(rule, spot, problem, HELP);
    }
}
