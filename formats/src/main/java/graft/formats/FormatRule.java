package graft.formats;

/**
 * The rule of a format that a file breaks: for programs, where the message is for people.
 *
 * <p>Each format lists its own rules in an enum. A rule's {@link #code} is stable: it is never
 * renamed and never means anything else.
 */
public interface FormatRule {
    /** Format and rule, such as {@code safetensors/bad_offset}. */
    String code();
}
