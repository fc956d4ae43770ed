package graft.formats;

/** Reading on would cost more memory or time than a file of this kind may ask for. */
public final class LimitExceededException extends FormatException {
    private static final long serialVersionUID = 1;

    public LimitExceededException(FileSpot spot, String problem) {
        super(spot, problem, "no real model needs this much; the file is damaged or hostile");
    }
}
