package graft.hub.http;

import graft.hub.HubException;

import okhttp3.HttpUrl;
import okhttp3.Response;

/** Where a 3xx leads, and whether that is allowed. */
final class Redirect {
    /** As Python's requests and OkHttp; more is a loop. */
    static final int MAX_HOPS = 20;

    private Redirect() {}

    static boolean isOne(Response response) {
        return switch (response.code()) {
            case 301, 302, 303, 307, 308 -> response.header("Location") != null;
            default -> false;
        };
    }

    /**
     * @throws HubException.Corrupted if it is no http(s) address, or leads from https to http
     */
    static HttpUrl target(Response response, Ask ask) throws HubException {
        HttpUrl from = response.request().url();
        HttpUrl to = from.resolve(String.valueOf(response.header("Location")));
        if (to == null) {
            throw refused(ask, "to something that is no web address");
        }
        if (from.isHttps() && !to.isHttps()) {
            throw refused(ask, "from https to http, on " + to.host());
        }
        if (!to.username().isEmpty() || !to.password().isEmpty()) {
            throw refused(ask, "to an address with a password, on " + to.host());
        }
        return to;
    }

    static HubException refused(Ask ask, String why) {
        return new HubException.Corrupted(
                "%s: the server redirects %s".formatted(ask.what(), why),
                "nothing was sent there; check HF_ENDPOINT and any proxy in between");
    }

    static boolean sameOrigin(HttpUrl a, HttpUrl b) {
        return a.scheme().equals(b.scheme()) && a.host().equals(b.host()) && a.port() == b.port();
    }
}
