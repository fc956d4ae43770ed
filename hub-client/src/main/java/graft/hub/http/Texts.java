package graft.hub.http;

import graft.hub.Token;

import java.util.Optional;

/**
 * Makes the words of a server fit for a message: one line, cut, without control characters, and
 * without the token, should the server send it back.
 */
public record Texts(Optional<Token> token) {
    private static final int MAX_CHARS = 300;

    public String clean(String text) {
        String safe = token.map(t -> t.redact(text)).orElse(text);
        String cut = safe.length() > MAX_CHARS ? safe.substring(0, MAX_CHARS) + "…" : safe;
        return cut.replaceAll("\\p{Cntrl}+", " ").strip();
    }
}
