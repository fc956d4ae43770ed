package graft.hub.http;

import java.time.Duration;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** What a 429 says about when to come back. */
final class RateLimit {
    /** {@code RateLimit: "api";r=0;t=55} (draft-ietf-httpapi-ratelimit-headers). */
    private static final Pattern FORM =
            Pattern.compile(
                    "\"[^\"]{0,64}\"\\s*;\\s*r\\s*=\\s*(\\d{1,9})\\s*;\\s*t\\s*=\\s*(\\d{1,6})");

    private static final Pattern SECONDS = Pattern.compile("\\s*(\\d{1,6})\\s*");

    private RateLimit() {}

    /** Time to wait, if the answer names one; every answer has the header, only a 429 means it. */
    static Optional<Duration> waitAfter(Answer answer) {
        if (answer.status() == 429) {
            Matcher window = FORM.matcher(answer.header("RateLimit").orElse(""));
            if (window.find() && Integer.parseInt(window.group(1)) == 0) {
                return Optional.of(Duration.ofSeconds(Long.parseLong(window.group(2)) + 1));
            }
        }
        Matcher seconds = SECONDS.matcher(answer.header("Retry-After").orElse(""));
        return seconds.matches()
                ? Optional.of(Duration.ofSeconds(Long.parseLong(seconds.group(1))))
                : Optional.empty();
    }
}
