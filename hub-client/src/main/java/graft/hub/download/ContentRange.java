package graft.hub.download;

import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** {@code Content-Range: bytes first-last/total}. */
record ContentRange(long first, long last, long total) {
    private static final Pattern FORM =
            Pattern.compile("bytes (\\d{1,18})-(\\d{1,18})/(\\d{1,18})");

    static Optional<ContentRange> parse(String text) {
        Matcher form = FORM.matcher(text.strip());
        return form.matches()
                ? Optional.of(
                        new ContentRange(
                                Long.parseLong(form.group(1)),
                                Long.parseLong(form.group(2)),
                                Long.parseLong(form.group(3))))
                : Optional.empty();
    }
}
