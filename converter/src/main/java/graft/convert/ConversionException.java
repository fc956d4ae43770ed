package graft.convert;

import java.io.IOException;

/**
 * Well-formed inputs that cannot be converted as asked. One subtype per remedy; {@link #help} says
 * it.
 */
public abstract sealed class ConversionException extends IOException {
    private static final long serialVersionUID = 1;

    private final String help;

    private ConversionException(String message, String help) {
        super(message);
        this.help = help;
    }

    /** What the user can do about it, one sentence. */
    public String help() {
        return help;
    }

    /** A delta, a fine-tune or a graph does not belong to the base it is used with. */
    public static final class BaseMismatch extends ConversionException {
        private static final long serialVersionUID = 1;

        public BaseMismatch(String message, String help) {
            super(message, help);
        }
    }

    /** An input holds values that cannot be converted, such as NaN. */
    public static final class UnusableValues extends ConversionException {
        private static final long serialVersionUID = 1;

        public UnusableValues(String message, String help) {
            super(message, help);
        }
    }

    /** A matrix of the input is larger than a method can work on. */
    public static final class TooLarge extends ConversionException {
        private static final long serialVersionUID = 1;

        public TooLarge(String message, String help) {
            super(message, help);
        }
    }

    /** Something was asked for and not a single part of the input took part. */
    public static final class NothingMatched extends ConversionException {
        private static final long serialVersionUID = 1;

        public NothingMatched(String message, String help) {
            super(message, help);
        }
    }

    /** A result is further from the truth than allowed, or a check of written files failed. */
    public static final class CheckFailed extends ConversionException {
        private static final long serialVersionUID = 1;

        public CheckFailed(String message, String help) {
            super(message, help);
        }
    }

    /** The output is already there and may not be replaced. */
    public static final class OutputExists extends ConversionException {
        private static final long serialVersionUID = 1;

        public OutputExists(String path) {
            super(path + ": already exists", "choose another name, or replace it with --force");
        }
    }
}
