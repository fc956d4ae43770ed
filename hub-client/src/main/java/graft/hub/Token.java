package graft.hub;

/**
 * An access token. Prints as stars, so that no log, message or record that holds one can leak it.
 */
public final class Token {
    private final String secret;

    private Token(String secret) {
        this.secret = secret;
    }

    /**
     * @param secret the token; line ends and spaces around it are dropped
     * @throws IllegalArgumentException if it is empty or could not stand in a header
     */
    public static Token of(String secret) {
        String trimmed = secret.strip();
        if (trimmed.isEmpty() || trimmed.chars().anyMatch(c -> c <= ' ' || c >= 127)) {
            throw new IllegalArgumentException("a token is one word of plain letters and digits");
        }
        return new Token(trimmed);
    }

    /** The value of an {@code Authorization} header; for the endpoint's own origin alone. */
    public String header() {
        return "Bearer " + secret;
    }

    /** {@code text} without the secret, should a server have sent it back. */
    public String redact(String text) {
        return text.replace(secret, toString());
    }

    @Override
    public String toString() {
        return "***";
    }
}
