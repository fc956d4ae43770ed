package graft.formats;

/** The file is valid but uses something that Graft does not handle; the message names it. */
public final class UnsupportedFeatureException extends FormatException {
    private static final long serialVersionUID = 1;

    /**
     * @param help what to do instead
     */
    public UnsupportedFeatureException(FileSpot spot, String problem, String help) {
        super(null, spot, problem, help);
    }

    /** As above, naming the rule. */
    public UnsupportedFeatureException(
            FormatRule rule, FileSpot spot, String problem, String help) {
        super(rule, spot, problem, help);
    }
}
