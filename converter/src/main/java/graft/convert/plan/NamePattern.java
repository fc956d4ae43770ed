package graft.convert.plan;

import java.util.regex.Pattern;

/** Names of tensors as users pick them: {@code *} for any characters, all else for itself. */
public final class NamePattern {
    private NamePattern() {}

    /** Whether the whole of {@code name} is what {@code pattern} says. */
    public static boolean matches(String pattern, String name) {
        String[] parts = pattern.split("\\*", -1);
        var regex = new StringBuilder();
        for (int i = 0; i < parts.length; i++) {
            regex.append(i > 0 ? ".*" : "").append(Pattern.quote(parts[i]));
        }
        return name.matches(regex.toString());
    }
}
