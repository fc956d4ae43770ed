package graft.formats;

/** The file breaks a rule of its format. */
public final class MalformedFileException extends FormatException {
    private static final long serialVersionUID = 1;

    /**
     * @param problem the rule and the numbers that break it; the spot is put before it
     */
    public MalformedFileException(FileSpot spot, String problem) {
        this(
                spot,
                problem,
                "the file is damaged or not what its name says; get it again from its source");
    }

    /** As above, with a remedy that fits better than getting the file again. */
    public MalformedFileException(FileSpot spot, String problem, String help) {
        super(spot, problem, help);
    }
}
