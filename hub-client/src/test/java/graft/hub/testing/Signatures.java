package graft.hub.testing;

import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.time.Duration;
import java.util.HexFormat;
import java.util.Map;
import java.util.UUID;

import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;

/** Signed URLs with an end, in the manner of a CDN or S3: whoever holds the URL may use it. */
final class Signatures {
    private final Duration lifetime;
    private volatile String key = UUID.randomUUID().toString();

    Signatures(Duration lifetime) {
        this.lifetime = lifetime;
    }

    void expireAll() {
        key = UUID.randomUUID().toString();
    }

    /**
     * @param verb what the URL is good for: {@code GET}, {@code PUT} or {@code POST}
     * @param path encoded, from the slash
     * @param query further parameters, each ending in {@code &}
     */
    URI sign(URI origin, String verb, String path, String query) {
        long expires = System.currentTimeMillis() + lifetime.toMillis();
        String signature = signature(verb, path, expires);
        return URI.create(
                "%s%s?%sExpires=%d&Signature=%s"
                        .formatted(origin, path, query, expires, signature));
    }

    boolean allows(String verb, String rawPath, Map<String, String> query) {
        String expires = query.getOrDefault("Expires", "");
        return expires.matches("[0-9]{1,18}")
                && Long.parseLong(expires) >= System.currentTimeMillis()
                && signature(verb, rawPath, Long.parseLong(expires)).equals(query.get("Signature"));
    }

    private String signature(String verb, String path, long expires) {
        try {
            Mac mac = Mac.getInstance("HmacSHA256");
            mac.init(new SecretKeySpec(key.getBytes(StandardCharsets.UTF_8), "HmacSHA256"));
            String text = verb + " " + path + " " + expires;
            return HexFormat.of().formatHex(mac.doFinal(text.getBytes(StandardCharsets.UTF_8)));
        } catch (GeneralSecurityException e) {
            throw new IllegalStateException("every JDK has HmacSHA256", e);
        }
    }
}
