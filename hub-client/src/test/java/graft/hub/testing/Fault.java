package graft.hub.testing;

import java.io.FilterInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.BiFunction;
import java.util.function.Predicate;
import java.util.function.UnaryOperator;

/**
 * Something that goes wrong on purpose: what happens, to which calls, how often. A new fault
 * strikes every call for ever; {@link #on}, {@link #method}, {@link #target} and {@link #times}
 * narrow it and return a new fault. It acts once given to {@link FakeHub#inject}, until {@link
 * FakeHub#heal}.
 *
 * <pre>{@code
 * Fault cut = hub.inject(Fault.cutBody(1000).on(CDN).method("GET").times(3));
 * …
 * assertThat(cut.struck()).isEqualTo(3);
 * }</pre>
 */
public final class Fault {
    private final String what;
    private final Predicate<Call> where;
    private final int times;
    private final boolean unheard;
    private final UnaryOperator<Request> question;
    private final BiFunction<Request, Response, Response> answer;
    private final AtomicInteger struck = new AtomicInteger();

    private Fault(
            String what,
            Predicate<Call> where,
            int times,
            boolean unheard,
            UnaryOperator<Request> question,
            BiFunction<Request, Response, Response> answer) {
        this.what = what;
        this.where = where;
        this.times = times;
        this.unheard = unheard;
        this.question = question;
        this.answer = answer;
    }

    private static Fault onAnswer(String what, BiFunction<Request, Response, Response> answer) {
        return new Fault(
                what, _ -> true, Integer.MAX_VALUE, false, UnaryOperator.identity(), answer);
    }

    /** An answer in place of any work: what was asked for does not happen. */
    private static Fault refusal(String what, HubError error, UnaryOperator<Response> headers) {
        return new Fault(
                what,
                _ -> true,
                Integer.MAX_VALUE,
                true,
                UnaryOperator.identity(),
                (_, _) -> headers.apply(error.response()));
    }

    private static Fault onWire(String what, UnaryOperator<Response.Wire> change) {
        return onAnswer(what, (_, response) -> response.wire(change.apply(response.wire())));
    }

    // What happens.

    /** The connection closes without an answer; what was asked for is done. */
    public static Fault hangUp() {
        return onWire(
                "hang up", w -> new Response.Wire(w.delayMillis(), 0, true, w.bytesPerSecond()));
    }

    /** The connection closes after this many bytes of body. */
    public static Fault cutBody(long afterBytes) {
        return onWire(
                "cut body after %d bytes".formatted(afterBytes),
                w -> new Response.Wire(w.delayMillis(), afterBytes, false, w.bytesPerSecond()));
    }

    /** The body trickles. */
    public static Fault drip(long bytesPerSecond) {
        return onWire(
                "drip %d bytes/s".formatted(bytesPerSecond),
                w -> new Response.Wire(w.delayMillis(), w.cutAfter(), false, bytesPerSecond));
    }

    /** The answer comes late. */
    public static Fault stall(long millis) {
        return onWire(
                "stall %d ms".formatted(millis),
                w -> new Response.Wire(millis, w.cutAfter(), false, w.bytesPerSecond()));
    }

    /** The server answers 200 and the whole file to a request for a range. */
    public static Fault ignoreRange() {
        return new Fault(
                "ignore Range",
                call -> call.header("Range") != null,
                Integer.MAX_VALUE,
                false,
                request -> request.without("Range"),
                (_, response) -> response);
    }

    /** The body lacks its last bytes, and the declared length agrees with what is sent. */
    public static Fault shorten(long bytes) {
        return onAnswer(
                "body shorter by %d".formatted(bytes),
                (_, r) -> {
                    Response.Body body = r.body();
                    long length = Math.max(0, body.length() - bytes);
                    return r.body(Response.Body.of(length, body::open));
                });
    }

    /** The body is followed by zeros, and the declared length agrees with what is sent. */
    public static Fault lengthen(int bytes) {
        return onAnswer(
                "body longer by %d".formatted(bytes),
                (_, r) -> {
                    Response.Body body = r.body();
                    return r.body(
                            Response.Body.of(
                                    body.length() + bytes,
                                    at ->
                                            new java.io.SequenceInputStream(
                                                    body.open(at),
                                                    new java.io.ByteArrayInputStream(
                                                            new byte[bytes]))));
                });
    }

    /** One bit of the file differs, at an offset of the whole file; lengths stay right. */
    public static Fault flipBit(long offset) {
        return onAnswer(
                "flip a bit at %d".formatted(offset),
                (_, r) -> {
                    String range = r.headers().get("Content-Range");
                    long start =
                            range == null
                                    ? 0
                                    : Long.parseLong(range.substring(6, range.indexOf('-')));
                    Response.Body body = r.body();
                    return r.body(
                            Response.Body.of(
                                    body.length(),
                                    at -> new FlippedBit(body.open(at), offset - start - at)));
                });
    }

    /** A status with the Hub's error body, e.g. 503, and nothing is done. */
    public static Fault status(int status) {
        return refusal(
                "status " + status,
                new HubError(status, "", "broken on purpose"),
                UnaryOperator.identity());
    }

    /** 429 with {@code Retry-After} in seconds, and nothing is done. */
    public static Fault tooManyRequests(int retryAfterSeconds) {
        return refusal(
                "429, Retry-After " + retryAfterSeconds,
                new HubError(429, "", "We had to rate limit you."),
                r -> r.header("Retry-After", Integer.toString(retryAfterSeconds)));
    }

    /** 429 with the Hub's {@code RateLimit} header: nothing left, the window ends in so long. */
    public static Fault rateLimit(int resetSeconds) {
        return refusal(
                "429, RateLimit t=" + resetSeconds,
                new HubError(429, "", "We had to rate limit you."),
                r -> r.header("RateLimit", "\"resolvers\";r=0;t=" + resetSeconds));
    }

    /** An answer's header is replaced or added. */
    public static Fault header(String name, String value) {
        String shown = value.length() > 60 ? value.length() + " characters" : value;
        return onAnswer("header %s: %s".formatted(name, shown), (_, r) -> r.header(name, value));
    }

    /** A redirect to elsewhere; with an empty location, to the same URL again. */
    public static Fault redirect(int status, String location) {
        return onAnswer(
                "redirect %d to %s".formatted(status, location.isEmpty() ? "itself" : location),
                (request, r) ->
                        r.status(status)
                                .header(
                                        "Location",
                                        location.isEmpty() ? request.call().target() : location)
                                .body(Response.Body.NONE));
    }

    /** A text body, e.g. a listing, is rewritten. */
    public static Fault rewrite(String what, UnaryOperator<String> change) {
        return onAnswer(
                what,
                (_, r) -> {
                    try (var in = r.body().open(0)) {
                        String text = new String(in.readAllBytes(), StandardCharsets.UTF_8);
                        byte[] next = change.apply(text).getBytes(StandardCharsets.UTF_8);
                        return r.body(Response.Body.of(next));
                    } catch (IOException e) {
                        return Response.text(500, "FakeHub: " + e);
                    }
                });
    }

    /** The body becomes gzip of so many zeros, a thousandth of that on the wire. */
    public static Fault gzipBomb(long zeros) {
        return onAnswer(
                "gzip of %d zeros".formatted(zeros),
                (_, r) ->
                        r.status(200)
                                .header("Content-Encoding", "gzip")
                                .body(Response.Body.of(-1, _ -> new GzippedZeros(zeros))));
    }

    /** The body becomes so many spaces, of a length that is not announced. */
    public static Fault flood(long spaces) {
        return onAnswer(
                "flood of %d spaces".formatted(spaces),
                (_, r) -> r.status(200).body(Response.Body.of(-1, _ -> new Spaces(spaces))));
    }

    // To whom, how often.

    public Fault on(Call.Origin origin) {
        return where(what + " on " + origin, call -> call.origin() == origin);
    }

    public Fault method(String method) {
        return where(what + " of " + method, call -> call.method().equals(method));
    }

    /** Calls whose encoded path and query contain this text. */
    public Fault target(String part) {
        return where(what + " at " + part, call -> call.target().contains(part));
    }

    public Fault times(int n) {
        return new Fault(what, where, n, unheard, question, answer);
    }

    private Fault where(String next, Predicate<Call> condition) {
        return new Fault(next, where.and(condition), times, unheard, question, answer);
    }

    /** How many calls it has struck. */
    public int struck() {
        return Math.min(struck.get(), times);
    }

    boolean strikes(Call call) {
        return where.test(call) && struck.getAndIncrement() < times;
    }

    /** Whether the request must not reach the routes. */
    boolean unheard() {
        return unheard;
    }

    Request change(Request request) {
        return question.apply(request);
    }

    Response change(Request request, Response response) {
        return answer.apply(request, response);
    }

    @Override
    public String toString() {
        return times == Integer.MAX_VALUE ? what : "%s, %d times".formatted(what, times);
    }

    private static final class Spaces extends InputStream {
        private long left;

        Spaces(long n) {
            left = n;
        }

        @Override
        public int read() {
            return left-- > 0 ? ' ' : -1;
        }

        @Override
        public int read(byte[] buffer, int from, int length) {
            if (left <= 0) {
                return -1;
            }
            int n = (int) Math.min(length, left);
            Arrays.fill(buffer, from, from + n, (byte) ' ');
            left -= n;
            return n;
        }
    }

    private static final class FlippedBit extends FilterInputStream {
        private long left;

        FlippedBit(InputStream in, long offset) {
            super(in);
            left = offset;
        }

        @Override
        public int read() throws IOException {
            int b = super.read();
            return left-- == 0 ? b ^ 1 : b;
        }

        @Override
        public int read(byte[] buffer, int from, int length) throws IOException {
            int n = super.read(buffer, from, length);
            if (left >= 0 && left < n) {
                buffer[from + (int) left] ^= 1;
            }
            left -= Math.max(n, 0);
            return n;
        }
    }
}
