package graft.formats;

import java.io.IOException;

/**
 * A file cannot be read as what it claims to be. One subtype per remedy: get another copy of the
 * file ({@link MalformedFileException}), use another tool or version ({@link
 * UnsupportedFeatureException}), raise a limit ({@link LimitExceededException}).
 */
public abstract sealed class FormatException extends IOException
        permits MalformedFileException, UnsupportedFeatureException, LimitExceededException {
    private static final long serialVersionUID = 1;

    private final transient FileSpot spot;
    private final String help;

    FormatException(FileSpot spot, String problem, String help) {
        super(spot + ": " + problem);
        this.spot = spot;
        this.help = help;
    }

    /** Where; survives as data, not only in the message. */
    public FileSpot spot() {
        return spot;
    }

    /** What the user can do about it, one sentence. */
    public String help() {
        return help;
    }
}
