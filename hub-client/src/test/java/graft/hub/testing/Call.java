package graft.hub.testing;

import org.jspecify.annotations.Nullable;

import java.util.Locale;
import java.util.Map;

/**
 * One request as it came in.
 *
 * @param origin which of the two servers it reached
 * @param target path and query, still encoded
 * @param headers by lower-case name; of a repeated header, the first value
 */
public record Call(Origin origin, String method, String target, Map<String, String> headers) {
    /** The two servers of a {@link FakeHub}. */
    public enum Origin {
        HUB,
        CDN
    }

    public @Nullable String header(String name) {
        return headers.get(name.toLowerCase(Locale.ROOT));
    }

    @Override
    public String toString() {
        return "%s %s %s".formatted(origin, method, target);
    }
}
