package graft.hub.http;

import okhttp3.HttpUrl;
import okhttp3.RequestBody;

import org.jspecify.annotations.Nullable;

import java.util.LinkedHashMap;
import java.util.Map;

/**
 * One request, before anyone decides whether the token goes with it.
 *
 * @param what names it in messages: repository and file, never a URL
 * @param method HTTP method
 * @param url where to, first
 * @param headers beside those that every request has
 * @param body for POST and PUT
 * @param redirects how far to follow
 * @param patience how long to wait for bytes
 * @param anonymous never send the token, even to the endpoint: parts of an upload are signed
 */
public record Ask(
        String what,
        String method,
        HttpUrl url,
        Map<String, String> headers,
        @Nullable RequestBody body,
        Redirects redirects,
        Patience patience,
        boolean anonymous) {
    /** Where a redirect may lead. */
    public enum Redirects {
        /** Stop at the answer that describes the file, or that leaves the Hub. */
        METADATA,
        /** To wherever the bytes are. */
        CONTENT,
        /** Nowhere: what is written must not be written elsewhere. */
        NONE
    }

    /** Which timeout of the options holds between two bytes. */
    public enum Patience {
        ANSWER,
        BODY,
        /** A commit of a large upload: the server works before it answers. */
        LONG
    }

    /** Reads JSON from the Hub's own API. */
    public static Ask api(String what, HttpUrl url) {
        return new Ask(
                what, "GET", url, Map.of(), null, Redirects.METADATA, Patience.ANSWER, false);
    }

    /** Asks what a file is: its commit, ETag, size and place. */
    public static Ask metadata(String what, HttpUrl url) {
        return new Ask(
                what, "HEAD", url, Map.of(), null, Redirects.METADATA, Patience.ANSWER, false);
    }

    /** Reads the bytes of a file. */
    public static Ask content(String what, HttpUrl url) {
        return new Ask(what, "GET", url, Map.of(), null, Redirects.CONTENT, Patience.BODY, false);
    }

    /** Sends a body to the Hub's own API. */
    public static Ask post(String what, HttpUrl url, RequestBody body) {
        return new Ask(what, "POST", url, Map.of(), body, Redirects.NONE, Patience.LONG, false);
    }

    /** Sends a body to a signed address. */
    public static Ask signed(String what, String method, HttpUrl url, RequestBody body) {
        return new Ask(what, method, url, Map.of(), body, Redirects.NONE, Patience.LONG, true);
    }

    /** With one more header. */
    public Ask with(String name, String value) {
        Map<String, String> more = new LinkedHashMap<>(headers);
        more.put(name, value);
        return new Ask(what, method, url, more, body, redirects, patience, anonymous);
    }
}
