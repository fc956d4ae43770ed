package graft.hub.testing;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.sun.net.httpserver.HttpExchange;

import org.jspecify.annotations.Nullable;

import java.io.IOException;
import java.io.InputStream;
import java.net.URLDecoder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/** A {@link Call}, taken apart, and its body. */
record Request(Call call, List<String> path, Map<String, String> query, InputStream body) {
    static final ObjectMapper JSON = new ObjectMapper();

    static Request of(Call.Origin origin, HttpExchange exchange) {
        var uri = exchange.getRequestURI();
        Map<String, String> headers = new HashMap<>();
        exchange.getRequestHeaders()
                .forEach((name, all) -> headers.put(name.toLowerCase(Locale.ROOT), all.getFirst()));
        String query = uri.getRawQuery();
        String target = uri.getRawPath() + (query == null ? "" : "?" + query);
        var call = new Call(origin, exchange.getRequestMethod(), target, Map.copyOf(headers));
        return new Request(
                call,
                segments(uri.getRawPath()),
                parameters(query == null ? "" : query),
                exchange.getRequestBody());
    }

    String method() {
        return call.method();
    }

    /** HEAD asks for the headers of a GET. */
    boolean reads() {
        return method().equals("GET") || method().equals("HEAD");
    }

    @Nullable String header(String name) {
        return call.header(name);
    }

    String parameter(String name) {
        return query.getOrDefault(name, "");
    }

    boolean flag(String name) {
        String value = parameter(name).toLowerCase(Locale.ROOT);
        return value.equals("true") || value.equals("1");
    }

    Request without(String header) {
        Map<String, String> fewer = new HashMap<>(call.headers());
        fewer.remove(header.toLowerCase(Locale.ROOT));
        var next = new Call(call.origin(), call.method(), call.target(), Map.copyOf(fewer));
        return new Request(next, path, query, body);
    }

    JsonNode json() throws IOException, HubError {
        JsonNode node = JSON.readTree(body);
        if (node == null || !node.isObject()) {
            throw HubError.badRequest("the body is no JSON object");
        }
        return node;
    }

    /** One JSON object a line. */
    List<JsonNode> lines() throws IOException {
        try (var values = JSON.readerFor(JsonNode.class).<JsonNode>readValues(body)) {
            return values.readAll();
        }
    }

    /** The {@code paths} of paths-info: a form by Python, JSON by JavaScript. */
    List<String> paths() throws IOException {
        String text = new String(body.readAllBytes(), StandardCharsets.UTF_8);
        List<String> paths = new ArrayList<>();
        if (text.startsWith("{")) {
            JSON.readTree(text).path("paths").forEach(path -> paths.add(path.asText()));
            return paths;
        }
        for (String pair : text.split("&", -1)) {
            if (pair.startsWith("paths=")) {
                paths.add(decode(pair.substring("paths=".length())));
            }
        }
        return paths;
    }

    private static List<String> segments(String rawPath) {
        List<String> segments = new ArrayList<>();
        for (String segment : rawPath.substring(1).split("/", -1)) {
            segments.add(decode(segment.replace("+", "%2B")));
        }
        return segments;
    }

    private static Map<String, String> parameters(String query) {
        Map<String, String> parameters = new HashMap<>();
        for (String pair : query.split("&", -1)) {
            int equals = pair.indexOf('=');
            if (equals > 0) {
                parameters.put(
                        decode(pair.substring(0, equals)), decode(pair.substring(equals + 1)));
            }
        }
        return parameters;
    }

    private static String decode(String text) {
        return URLDecoder.decode(text, StandardCharsets.UTF_8);
    }
}
