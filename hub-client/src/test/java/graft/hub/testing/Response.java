package graft.hub.testing;

import com.fasterxml.jackson.databind.JsonNode;

import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.channels.Channels;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.TreeMap;
import java.util.regex.Pattern;

/** An answer as a value, so that a {@link Fault} can change it before it is sent. */
record Response(int status, Map<String, String> headers, Body body, Wire wire) {
    /** Bytes of known number that can be read from any offset. */
    interface Body {
        Body NONE = of(new byte[0]);

        /** Bytes in all; -1 if only the end tells, which is then sent in chunks. */
        long length();

        InputStream open(long offset) throws IOException;

        static Body of(byte[] bytes) {
            return of(
                    bytes.length,
                    offset ->
                            new ByteArrayInputStream(
                                    bytes, (int) offset, bytes.length - (int) offset));
        }

        static Body of(Path file) throws IOException {
            return of(
                    Files.size(file),
                    offset -> Channels.newInputStream(FileChannel.open(file).position(offset)));
        }

        static Body of(long length, Opener opener) {
            return new Body() {
                @Override
                public long length() {
                    return length;
                }

                @Override
                public InputStream open(long offset) throws IOException {
                    return opener.open(offset);
                }
            };
        }

        /** Opens a body at an offset. */
        interface Opener {
            InputStream open(long offset) throws IOException;
        }
    }

    /**
     * How the bytes travel.
     *
     * @param delayMillis before the status line
     * @param cutAfter bytes of body after which the connection closes; 0 closes it at once, without
     *     an answer if {@code silent}
     * @param bytesPerSecond speed of the body
     */
    record Wire(long delayMillis, long cutAfter, boolean silent, long bytesPerSecond) {
        static final Wire PLAIN = new Wire(0, Long.MAX_VALUE, false, Long.MAX_VALUE);
    }

    private static final Pattern RANGE = Pattern.compile("bytes=([0-9]{0,18})-([0-9]{0,18})");

    static Response of(int status) {
        return new Response(status, Map.of(), Body.NONE, Wire.PLAIN);
    }

    static Response json(JsonNode node) {
        return of(200).header("Content-Type", "application/json; charset=utf-8")
                .body(Body.of(node.toString().getBytes(StandardCharsets.UTF_8)));
    }

    static Response text(int status, String text) {
        return of(status)
                .header("Content-Type", "text/plain; charset=utf-8")
                .body(Body.of(text.getBytes(StandardCharsets.UTF_8)));
    }

    /** A whole body, or the single range of it that was asked for (RFC 9110, 14). */
    static Response ranged(Request request, Body whole, String etag) {
        Response full = of(200).header("Accept-Ranges", "bytes").header("ETag", etag).body(whole);
        String wanted = request.header("Range");
        String condition = request.header("If-Range");
        var range = RANGE.matcher(wanted == null ? "" : wanted);
        if (!range.matches() || (condition != null && !condition.equals(etag))) {
            return full;
        }
        long size = whole.length();
        long from;
        long to;
        if (range.group(1).isEmpty()) {
            from = Math.max(0, size - number(range.group(2), 0));
            to = size;
        } else {
            from = number(range.group(1), 0);
            to = Math.min(size, 1 + number(range.group(2), size - 1));
        }
        if (from >= to) {
            return of(416).header("Content-Range", "bytes */" + size);
        }
        return full.status(206)
                .header("Content-Range", "bytes %d-%d/%d".formatted(from, to - 1, size))
                .body(Body.of(to - from, offset -> whole.open(from + offset)));
    }

    private static long number(String digits, long otherwise) {
        return digits.isEmpty() ? otherwise : Long.parseLong(digits);
    }

    Response status(int next) {
        return new Response(next, headers, body, wire);
    }

    /** Sets one header, whatever the case of an earlier one of that name. */
    Response header(String name, String value) {
        Map<String, String> next = new TreeMap<>(String.CASE_INSENSITIVE_ORDER);
        next.putAll(headers);
        next.put(name, value);
        return new Response(status, next, body, wire);
    }

    Response body(Body next) {
        return new Response(status, headers, next, wire);
    }

    Response wire(Wire next) {
        return new Response(status, headers, body, next);
    }
}
