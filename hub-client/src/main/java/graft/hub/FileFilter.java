package graft.hub;

import java.util.List;

/**
 * Chooses files by name, as {@code hf download} does.
 *
 * <p>Patterns are those of Python's {@code fnmatch}, case-sensitive: {@code *} also matches {@code
 * /}, {@code ?} one character, {@code [abc]} and {@code [!abc]} a set; a pattern that ends in
 * {@code /} means everything below it.
 *
 * @param names exact paths; if not empty, exactly these
 * @param include if not empty, a file must match one of them
 * @param exclude a file must match none of them
 */
public record FileFilter(List<String> names, List<String> include, List<String> exclude) {
    /** Every file. */
    public static final FileFilter ALL = new FileFilter(List.of(), List.of(), List.of());

    public FileFilter {
        names = List.copyOf(names);
        include = List.copyOf(include);
        exclude = List.copyOf(exclude);
        if (!names.isEmpty() && !(include.isEmpty() && exclude.isEmpty())) {
            throw new IllegalArgumentException("names and patterns exclude each other");
        }
    }

    /** Exactly these paths. */
    public static FileFilter names(List<String> names) {
        return new FileFilter(names, List.of(), List.of());
    }

    /** What matches one of these patterns. */
    public static FileFilter including(List<String> patterns) {
        return new FileFilter(List.of(), patterns, List.of());
    }

    /** Whether the file at {@code path} is chosen. */
    public boolean accepts(String path) {
        if (!names.isEmpty()) {
            return names.contains(path);
        }
        return (include.isEmpty() || include.stream().anyMatch(p -> matches(p, path)))
                && exclude.stream().noneMatch(p -> matches(p, path));
    }

    /** Names and include patterns that choose none of {@code paths}: asked for, and not there. */
    public List<String> unmatched(List<String> paths) {
        var wanted = names.isEmpty() ? include : names;
        return wanted.stream()
                .filter(word ->
                        paths.stream()
                                .noneMatch(path ->
                                        names.isEmpty() ? matches(word, path) : word.equals(path)))
                .toList();
    }

    static boolean matches(String pattern, String path) {
        return matchesFrom(pattern.endsWith("/") ? pattern + "*" : pattern, path);
    }

    /** Two cursors and one point to go back to: linear in practice, never exponential. */
    private static boolean matchesFrom(String pattern, String path) {
        int p = 0;
        int s = 0;
        int star = -1;
        int retry = 0;
        while (s < path.length()) {
            int next = p < pattern.length() ? step(pattern, p, path.charAt(s)) : -1;
            if (p < pattern.length() && pattern.charAt(p) == '*') {
                star = p++;
                retry = s;
            } else if (next > 0) {
                p = next;
                s++;
            } else if (star >= 0) {
                p = star + 1;
                s = ++retry;
            } else {
                return false;
            }
        }
        while (p < pattern.length() && pattern.charAt(p) == '*') {
            p++;
        }
        return p == pattern.length();
    }

    /**
     * Where the pattern goes on if the element at {@code p} matches {@code c}; -1 if it does not.
     */
    private static int step(String pattern, int p, char c) {
        char element = pattern.charAt(p);
        if (element == '?') {
            return p + 1;
        }
        int close =
                element == '[' ? pattern.indexOf(']', p + 2 + (isNegated(pattern, p) ? 1 : 0)) : -1;
        if (close < 0) {
            return element == c ? p + 1 : -1;
        }
        int from = p + 1 + (isNegated(pattern, p) ? 1 : 0);
        return inSet(pattern, from, close, c) != isNegated(pattern, p) ? close + 1 : -1;
    }

    private static boolean isNegated(String pattern, int p) {
        return pattern.startsWith("!", p + 1);
    }

    private static boolean inSet(String pattern, int from, int to, char c) {
        for (int i = from; i < to; i++) {
            if (i + 2 < to && pattern.charAt(i + 1) == '-') {
                if (pattern.charAt(i) <= c && c <= pattern.charAt(i + 2)) {
                    return true;
                }
                i += 2;
            } else if (pattern.charAt(i) == c) {
                return true;
            }
        }
        return false;
    }
}
