package graft.hub.http;

import graft.hub.HubException;

import okhttp3.HttpUrl;
import okhttp3.Response;

import okio.BufferedSource;

import org.jspecify.annotations.Nullable;

import java.io.IOException;
import java.util.Locale;
import java.util.Optional;
import java.util.OptionalLong;

/** A response, and the response on the way to it that described the file. Close it. */
public final class Answer implements AutoCloseable {
    private static final int MAX_TEXT_BYTES = 64 << 20;

    private final Ask ask;
    private final Response response;
    private final @Nullable Response described;
    private final Texts texts;

    /**
     * @param described the redirect with {@code X-Linked-Etag}, already without a body, if one was
     *     followed
     */
    Answer(Ask ask, Response response, @Nullable Response described, Texts texts) {
        this.ask = ask;
        this.response = response;
        this.described = described;
        this.texts = texts;
    }

    /** What was asked. */
    public Ask ask() {
        return ask;
    }

    /** Words of the server, fit for a message. */
    String clean(String text) {
        return texts.clean(text);
    }

    public int status() {
        return response.code();
    }

    public boolean isSuccess() {
        return response.isSuccessful();
    }

    /** Whether it points elsewhere. */
    public boolean isRedirect() {
        return Redirect.isOne(response);
    }

    /** A header of the last response. */
    public Optional<String> header(String name) {
        return Optional.ofNullable(response.header(name));
    }

    /** Where the last request went. */
    public HttpUrl url() {
        return response.request().url();
    }

    /**
     * Where the bytes are: the target of a redirect that was not followed, or the address itself.
     */
    public HttpUrl place() throws HubException {
        return isRedirect() ? Redirect.target(response, ask) : url();
    }

    /** A header of the response that describes the file: the Hub's own, not the CDN's. */
    public Optional<String> described(String name) {
        return Optional.ofNullable((described == null ? response : described).header(name));
    }

    /** Bytes that the body says it has. */
    public OptionalLong contentLength() {
        String text = response.header("Content-Length");
        return text != null && text.matches("\\d{1,18}")
                ? OptionalLong.of(Long.parseLong(text))
                : OptionalLong.empty();
    }

    /**
     * The bytes of the body.
     *
     * @throws HubException.Corrupted if they are encoded: lengths and hashes would mean nothing
     */
    public BufferedSource body() throws HubException {
        String encoding = response.header("Content-Encoding");
        if (encoding != null && !encoding.toLowerCase(Locale.ROOT).equals("identity")) {
            throw new HubException.Corrupted(
                    "%s: the server sent Content-Encoding '%s', which was not asked for"
                            .formatted(ask.what(), texts.clean(encoding)),
                    "check HF_ENDPOINT and any proxy in between");
        }
        return response.body().source();
    }

    /** The whole body, if it is not larger than any honest one. */
    public byte[] bytes() throws IOException {
        BufferedSource body = body();
        if (body.request(MAX_TEXT_BYTES + 1L)) {
            throw new HubException.Corrupted(
                    "%s: an answer of more than %d bytes".formatted(ask.what(), MAX_TEXT_BYTES),
                    "check HF_ENDPOINT and any proxy in between");
        }
        return body.readByteArray();
    }

    @Override
    public void close() {
        response.close();
    }
}
