package graft.formats.archive;

import graft.formats.FileSpot;

import java.nio.charset.StandardCharsets;
import java.util.Collection;
import java.util.HashSet;
import java.util.Locale;
import java.util.Optional;
import java.util.Set;

/** Which paths an archive may hold: such that unpacking can only write below its own folder. */
public final class ArchivePath {
    private static final int LONGEST_BYTES = 4096;
    private static final int LONGEST_NAME_BYTES = 255;

    private ArchivePath() {}

    /** What is wrong with a path, or nothing. */
    public static Optional<String> problem(String path) {
        if (path.isEmpty() || utf8Length(path) > LONGEST_BYTES) {
            return Optional.of("is empty or longer than %d bytes".formatted(LONGEST_BYTES));
        }
        for (int i = 0; i < path.length(); i++) {
            char c = path.charAt(i);
            if (Character.isISOControl(c) || c == '\\') {
                return Optional.of("holds a control character or a backslash");
            }
        }
        if (path.indexOf(':') >= 0 && path.indexOf(':') < (path + "/").indexOf('/')) {
            return Optional.of("may name a drive");
        }
        if (!StandardCharsets.UTF_8.newEncoder().canEncode(path)) {
            return Optional.of("is not Unicode");
        }
        for (String name : path.split("/", -1)) {
            if (name.isEmpty() || name.equals(".") || name.equals("..")) {
                return Optional.of("is absolute or leaves its folder");
            }
            if (utf8Length(name) > LONGEST_NAME_BYTES) {
                return Optional.of(
                        "holds a name longer than %d bytes".formatted(LONGEST_NAME_BYTES));
            }
        }
        return Optional.empty();
    }

    /**
     * What is wrong with paths together: twice the same, or a file that is another one's folder.
     */
    public static Optional<String> conflict(Collection<String> paths) {
        Set<String> seen = new HashSet<>();
        for (String path : paths) {
            // a file system that ignores case would write one over the other
            if (!seen.add(path.toLowerCase(Locale.ROOT))) {
                return Optional.of(FileSpot.quote(path) + " is there twice");
            }
        }
        for (String path : seen) {
            for (int at = path.indexOf('/'); at >= 0; at = path.indexOf('/', at + 1)) {
                if (seen.contains(path.substring(0, at))) {
                    return Optional.of(FileSpot.quote(path) + " lies below another file");
                }
            }
        }
        return Optional.empty();
    }

    private static int utf8Length(String text) {
        return text.getBytes(StandardCharsets.UTF_8).length;
    }
}
