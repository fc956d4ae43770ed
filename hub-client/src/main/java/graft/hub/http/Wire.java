package graft.hub.http;

import graft.hub.HubEvent;
import graft.hub.HubException;
import graft.hub.HubListener;
import graft.hub.HubOptions;
import graft.hub.Token;

import okhttp3.ConnectionPool;
import okhttp3.HttpUrl;
import okhttp3.OkHttpClient;
import okhttp3.Protocol;
import okhttp3.Request;
import okhttp3.Response;

import java.io.IOException;
import java.time.Duration;
import java.util.List;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;

/**
 * Sends requests: each redirect is looked at, the token goes to the endpoint's own origin alone.
 * Safe from any thread; interruption inside a read is answered on threads of {@link #tasks} alone.
 */
public final class Wire implements AutoCloseable {
    private static final Duration LONG_ANSWER = Duration.ofMinutes(5);

    private final HubOptions options;
    private final HttpUrl endpoint;
    private final HubListener listener;
    private final Pacer pacer;
    private final Texts texts;
    private final OkHttpClient answers;
    private final OkHttpClient bodies;
    private final OkHttpClient slow;
    private final Calls calls = new Calls();
    private final Set<String> warned = ConcurrentHashMap.newKeySet();

    public Wire(HubOptions options, HubListener listener, Pacer pacer) {
        this.options = options;
        this.listener = listener;
        this.pacer = pacer;
        this.texts = new Texts(options.token());
        HttpUrl parsed = HttpUrl.parse(options.endpoint().toString());
        if (parsed == null) {
            throw new IllegalArgumentException("endpoint '%s'".formatted(options.endpoint()));
        }
        this.endpoint = parsed;
        // HTTP/1.1: parallel ranges are worth their own connections and windows.
        this.answers =
                new OkHttpClient.Builder()
                        .protocols(List.of(Protocol.HTTP_1_1))
                        .socketFactory(new BufferedSockets())
                        .eventListener(calls)
                        .followRedirects(false)
                        .followSslRedirects(false)
                        .connectionPool(
                                new ConnectionPool(options.maxWorkers() + 1, 1, TimeUnit.MINUTES))
                        .connectTimeout(options.etagTimeout())
                        .readTimeout(options.etagTimeout())
                        .writeTimeout(options.downloadTimeout())
                        .build();
        this.bodies = answers.newBuilder().readTimeout(options.downloadTimeout()).build();
        this.slow = answers.newBuilder().readTimeout(LONG_ANSWER).build();
    }

    /** An address of the endpoint. */
    public HttpUrl.Builder endpoint() {
        return endpoint.newBuilder();
    }

    /** Threads for requests that belong together. */
    public Tasks tasks() {
        return new Tasks(calls);
    }

    /** Patience for one piece of work. */
    public Retries retries(String what) {
        return new Retries(what, options.deadline(), listener, pacer, texts);
    }

    /**
     * Sends until there is a success, or a redirect that is not followed, or no hope.
     *
     * @throws HubException what went wrong
     */
    public Answer send(Ask ask) throws IOException {
        Retries retries = retries(ask.what());
        while (true) {
            Answer answer;
            try {
                answer = once(ask);
            } catch (IOException e) {
                retries.after(e);
                continue;
            }
            if (Retries.isTransient(answer.status())) {
                retries.after(answer);
            } else if (answer.isRedirect() && ask.redirects() == Ask.Redirects.NONE) {
                try (answer) {
                    throw Redirect.refused(ask, "what was sent to it");
                }
            } else if (answer.isSuccess() || answer.isRedirect()) {
                return answer;
            } else {
                throw Failures.of(answer);
            }
        }
    }

    /** Sends once, with redirects, whatever comes back. */
    public Answer once(Ask ask) throws IOException {
        HttpUrl url = ask.url();
        Response described = null;
        for (int hop = 0; hop <= Redirect.MAX_HOPS; hop++) {
            Response response = execute(ask, url);
            boolean last = false;
            try {
                warnings(response);
                last = !Redirect.isOne(response) || stopsAt(ask, response);
                if (last) {
                    return new Answer(ask, response, described, texts);
                }
                url = Redirect.target(response, ask);
                if (described == null && response.header("X-Linked-Etag") != null) {
                    described = response;
                }
            } finally {
                if (!last) {
                    response.close();
                }
            }
        }
        throw Redirect.refused(ask, "in circles");
    }

    private Response execute(Ask ask, HttpUrl url) throws IOException {
        try {
            if (!calls.isClosed()) {
                return client(ask).newCall(request(ask, url)).execute();
            }
        } catch (IOException e) {
            if (!calls.isClosed()) {
                throw e;
            }
        }
        throw Calls.closed();
    }

    private boolean stopsAt(Ask ask, Response response) throws HubException {
        return switch (ask.redirects()) {
            case NONE -> true;
            case CONTENT -> false;
            case METADATA ->
                    response.header("X-Linked-Etag") != null
                            || !isEndpoint(Redirect.target(response, ask));
        };
    }

    /** Whether {@code url} is of the endpoint's own origin. */
    public boolean isEndpoint(HttpUrl url) {
        return Redirect.sameOrigin(endpoint, url);
    }

    private OkHttpClient client(Ask ask) {
        return switch (ask.patience()) {
            case ANSWER -> answers;
            case BODY -> bodies;
            case LONG -> slow;
        };
    }

    private Request request(Ask ask, HttpUrl url) {
        var request = new Request.Builder().url(url).method(ask.method(), ask.body());
        request.header("User-Agent", options.userAgent());
        request.header("Accept-Encoding", "identity"); // or OkHttp would ask for gzip
        ask.headers().forEach(request::header);
        if (isEndpoint(url) && !ask.anonymous()) {
            options.token().map(Token::header).ifPresent(t -> request.header("Authorization", t));
        }
        return request.build();
    }

    /** {@code X-HF-Warning: topic; text}, once a topic. */
    private void warnings(Response response) {
        for (String warning : response.headers("X-HF-Warning")) {
            String topic = warning.split(";", 2)[0];
            if (isEndpoint(response.request().url()) && warned.size() < 100 && warned.add(topic)) {
                listener.on(new HubEvent.Warning("the Hub says: " + texts.clean(warning)));
            }
        }
    }

    @Override
    public void close() {
        calls.close();
        answers.connectionPool().evictAll();
    }
}
