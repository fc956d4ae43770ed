package graft.convert.cli;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;

import graft.hub.DownloadRequest;
import graft.hub.FileFilter;
import graft.hub.HubClient;
import graft.hub.HubListener;
import graft.hub.HubOptions;
import graft.hub.RepoRef;

import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.Map;

/**
 * The least that a Hub must answer for {@link Rehearsal} to download one file from it in ranges.
 */
final class RehearsedHub {
    private static final String COMMIT = "0123456789abcdef0123456789abcdef01234567";
    private static final int RANGE_BYTES = 1 << 18;

    private final byte[] content;
    private final String list;

    private RehearsedHub(byte[] content) throws NoSuchAlgorithmException {
        this.content = content;
        byte[] sha256 = MessageDigest.getInstance("SHA-256").digest(content);
        this.list =
                """
                [{"type": "file", "path": "model.safetensors", "size": %1$d, "oid": "%2$s",
                  "lfs": {"oid": "%3$s", "size": %1$d}}]\
                """
                        .formatted(content.length, COMMIT, HexFormat.of().formatHex(sha256));
    }

    /** Downloads {@code file} over loopback into a cache at {@code folder}. */
    static void download(Path file, Path folder) throws IOException, NoSuchAlgorithmException {
        var hub = new RehearsedHub(Files.readAllBytes(file));
        InetAddress loopback = InetAddress.getLoopbackAddress();
        HttpServer server = HttpServer.create(new InetSocketAddress(loopback, 0), 0);
        server.createContext("/", hub::answer);
        server.start();
        try {
            var place = URI.create("http://127.0.0.1:" + server.getAddress().getPort());
            HubOptions options =
                    HubOptions.from(Map.of())
                            .withEndpoint(place)
                            .withCache(folder)
                            .withSegmentBytes(RANGE_BYTES);
            try (var client = new HubClient(options, HubListener.NONE)) {
                var model = client.snapshot(RepoRef.parse("rehearsal/model").orElseThrow());
                client.download(DownloadRequest.of(model, FileFilter.ALL));
            }
        } finally {
            server.stop(0);
        }
    }

    private void answer(HttpExchange exchange) throws IOException {
        exchange.getResponseHeaders().set("X-Repo-Commit", COMMIT);
        String path = exchange.getRequestURI().getPath();
        String range = exchange.getRequestHeaders().getFirst("Range");
        if (path.contains("/revision/")) {
            send(
                    exchange,
                    200,
                    "{\"sha\": \"%s\"}".formatted(COMMIT).getBytes(StandardCharsets.UTF_8));
        } else if (path.contains("/tree/")) {
            send(exchange, 200, list.getBytes(StandardCharsets.UTF_8));
        } else if (range == null) {
            send(exchange, 200, content);
        } else {
            String[] ends = range.substring("bytes=".length()).split("-", 2);
            int first = Integer.parseInt(ends[0]);
            int last = Integer.parseInt(ends[1]);
            exchange.getResponseHeaders()
                    .set("Content-Range", "bytes %d-%d/%d".formatted(first, last, content.length));
            send(exchange, 206, Arrays.copyOfRange(content, first, last + 1));
        }
    }

    private static void send(HttpExchange exchange, int status, byte[] body) throws IOException {
        try (exchange) {
            boolean head = exchange.getRequestMethod().equals("HEAD");
            exchange.sendResponseHeaders(status, head ? -1 : body.length);
            if (!head) {
                exchange.getResponseBody().write(body);
            }
        }
    }
}
