package graft.hub;

import java.util.Optional;
import java.util.regex.Pattern;

/** Names that came over the network and are about to become paths, judged segment by segment. */
public final class SafePath {
    /** Windows opens a device for these, with any extension. */
    private static final Pattern DEVICE =
            Pattern.compile(
                    "(?i)(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³]|conin\\$|conout\\$)( *\\..*| *)?");

    private static final int MAX_CHARS = 4096;
    private static final int MAX_SEGMENT_BYTES = 255;

    private SafePath() {}

    /**
     * Why {@code path} must not become a path on any system: {@code ..}, absolute, drive, UNC,
     * backslash, control characters, reserved device names, empty or {@code .} segments. Empty if
     * it is harmless.
     */
    public static Optional<String> problem(String path) {
        if (path.isEmpty() || path.length() > MAX_CHARS) {
            return Optional.of("is empty or longer than " + MAX_CHARS);
        }
        if (path.indexOf('\\') >= 0 || path.indexOf(':') >= 0) {
            return Optional.of("has a backslash or a colon");
        }
        if (path.chars().anyMatch(c -> c < ' ' || c == 0x7f)) {
            return Optional.of("has a control character");
        }
        for (String segment : path.split("/", -1)) {
            if (segment.isEmpty() || segment.equals(".") || segment.equals("..")) {
                return Optional.of("has the segment '%s'".formatted(segment));
            }
            if (segment.equalsIgnoreCase(".git")) {
                return Optional.of("is inside git's own folder");
            }
            if (DEVICE.matcher(segment).matches()
                    || segment.endsWith(" ")
                    || segment.endsWith(".")) {
                return Optional.of("has a segment that Windows reserves");
            }
            if (segment.getBytes(java.nio.charset.StandardCharsets.UTF_8).length
                    > MAX_SEGMENT_BYTES) {
                return Optional.of("has a segment of over %d bytes".formatted(MAX_SEGMENT_BYTES));
            }
        }
        return Optional.empty();
    }
}
