package graft.formats;

/** The file breaks a rule of its format. */
public final class MalformedFileException extends FormatException {
    private static final long serialVersionUID = 1;

    private static final String GET_AGAIN =
            "the file is damaged or not what its name says; get it again from its source";

    /**
     * @param problem the rule and the numbers that break it; the spot is put before it
     */
    public MalformedFileException(FileSpot spot, String problem) {
        this(spot, problem, GET_AGAIN);
    }

    /** As above, with a remedy that fits better than getting the file again. */
    public MalformedFileException(FileSpot spot, String problem, String help) {
        super(null, spot, problem, help);
    }

    /** As the first, naming the rule. */
    public MalformedFileException(FormatRule rule, FileSpot spot, String problem) {
        this(rule, spot, problem, GET_AGAIN);
    }

    /** As the second, naming the rule. */
    public MalformedFileException(FormatRule rule, FileSpot spot, String problem, String help) {
        super(rule, spot, problem, help);
    }
}
