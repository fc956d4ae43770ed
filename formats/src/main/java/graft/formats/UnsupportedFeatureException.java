package graft.formats;

/** The file is valid but uses something that Graft does not handle; the message names it. */
public final class UnsupportedFeatureException extends FormatException {
    private static final long serialVersionUID = 1;

    /**
     * @param help what to do instead
     */
    public UnsupportedFeatureException(FileSpot spot, String problem, String help) {
        super(spot, problem, help);
    }
}
