package graft.formats;

import org.jspecify.annotations.Nullable;

import java.io.IOException;
import java.util.Optional;

/**
 * A file cannot be read as what it claims to be. One subtype per remedy: get another copy of the
 * file ({@link MalformedFileException}), use another tool or version ({@link
 * UnsupportedFeatureException}), raise a limit ({@link LimitExceededException}).
 */
public abstract sealed class FormatException extends IOException
        permits MalformedFileException, UnsupportedFeatureException, LimitExceededException {
    private static final long serialVersionUID = 1;

    private final transient @Nullable FormatRule rule;
    private final transient FileSpot spot;
    private final String help;

    FormatException(@Nullable FormatRule rule, FileSpot spot, String problem, String help) {
        super(spot + ": " + problem);
        this.rule = rule;
        this.spot = spot;
        this.help = help;
    }

    /** Which rule; empty where the format does not number its rules. */
    public Optional<FormatRule> rule() {
        return Optional.ofNullable(rule);
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
