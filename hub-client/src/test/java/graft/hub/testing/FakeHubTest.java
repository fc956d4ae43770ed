package graft.hub.testing;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.zip.GZIPInputStream;

/** The fake on the wire, seen by the JDK's client, and its repositories, seen by git. */
class FakeHubTest {
    private static final byte[] WEIGHTS = "0123456789".getBytes(StandardCharsets.UTF_8);

    @TempDir Path folder;
    FakeHub hub;
    FakeRepo repo;
    final HttpClient client = HttpClient.newHttpClient();

    @BeforeEach
    void start() throws IOException {
        hub = FakeHub.start(folder);
        repo = hub.create("acme/tiny");
        repo.commit(
                "add",
                Map.of(
                        "a/b/c.safetensors",
                        WEIGHTS,
                        "a.txt",
                        "text".getBytes(StandardCharsets.UTF_8),
                        "a-b.txt",
                        new byte[0]));
    }

    @AfterEach
    void stop() {
        hub.close();
        client.close();
    }

    @Test
    void gitAcceptsTheRepository() throws Exception {
        repo.branch("side", "main");
        repo.tag("v1", "main");
        repo.commit("second\n\nwith a body", Map.of("a.txt", new byte[0]));

        assertThat(git("fsck", "--strict", "--full")).isEmpty();
        assertThat(git("rev-parse", "main").strip()).isEqualTo(repo.head("main").orElseThrow());
        assertThat(git("log", "--format=%s", "main").lines())
                .containsExactlyElementsOf(repo.log("main"));
        assertThat(git("ls-tree", "-r", "--name-only", "main").lines())
                .containsExactlyElementsOf(repo.files("main"));
        assertThat(git("cat-file", "blob", "main:a/b/c.safetensors"))
                .startsWith("version https://git-lfs.github.com/spec/v1\noid sha256:");
    }

    private String git(String... arguments) throws Exception {
        var command =
                new java.util.ArrayList<>(
                        java.util.List.of("git", "--git-dir", repo.folder().toString()));
        command.addAll(java.util.List.of(arguments));
        Process process;
        try {
            process = new ProcessBuilder(command).redirectErrorStream(true).start();
        } catch (IOException e) {
            assumeTrue(false, "skipped: no git");
            throw e;
        }
        String printed =
                new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertThat(process.waitFor(1, TimeUnit.MINUTES)).isTrue();
        assertThat(process.exitValue()).as(printed).isZero();
        return printed;
    }

    @Test
    void largeFilesAreElsewhereAndTheRedirectHasTheFacts() throws Exception {
        HttpResponse<String> redirect = get("/acme/tiny/resolve/main/a/b/c.safetensors");

        assertThat(redirect.statusCode()).isEqualTo(302);
        assertThat(header(redirect, "X-Repo-Commit")).isEqualTo(repo.head("main").orElseThrow());
        assertThat(header(redirect, "X-Linked-Size")).isEqualTo("10");
        assertThat(header(redirect, "X-Linked-ETag"))
                .isEqualTo('"' + LfsStore.sha256(WEIGHTS) + '"');
        assertThat(header(redirect, "Content-Length")).as("the redirect's own").isNotEqualTo("10");

        URI location = URI.create(header(redirect, "Location"));
        assertThat(location.getPort()).isEqualTo(hub.cdn().getPort());
        assertThat(send(location).body()).isEqualTo("0123456789");
        assertThat(send(location, "Range", "bytes=2-4").body()).isEqualTo("234");
        assertThat(send(location, "Range", "bytes=-2").body()).isEqualTo("89");
        HttpResponse<String> beyond = send(location, "Range", "bytes=10-");
        assertThat(beyond.statusCode()).isEqualTo(416);
        assertThat(header(beyond, "Content-Range")).isEqualTo("bytes */10");
        assertThat(send(location, "Authorization", "Bearer " + FakeHub.WRITER).statusCode())
                .isEqualTo(400);

        hub.expireUrls();
        assertThat(send(location).statusCode()).isEqualTo(403);
    }

    @Test
    void anotherPathIsNotSigned() throws Exception {
        String location = header(get("/acme/tiny/resolve/main/a/b/c.safetensors"), "Location");
        String other = location.replaceFirst("/[0-9a-f]{64}", "/" + "0".repeat(64));
        assertThat(send(URI.create(other)).statusCode()).isEqualTo(403);
        String later = location.replaceFirst("Expires=", "Expires=9");
        assertThat(send(URI.create(later)).statusCode()).isEqualTo(403);
    }

    @Test
    void strangersCannotTellPrivateFromMissing() throws Exception {
        hub.create("acme/hidden").setPrivate(true);
        for (String id : new String[] {"acme/hidden", "acme/absent"}) {
            HttpResponse<String> answer = get("/api/models/" + id);
            assertThat(answer.statusCode()).isEqualTo(401);
            assertThat(header(answer, "X-Error-Code")).isEqualTo("RepoNotFound");
        }
        URI hidden = hub.endpoint().resolve("/api/models/acme/hidden");
        assertThat(send(hidden, "Authorization", "Bearer " + FakeHub.READER).statusCode())
                .isEqualTo(404);
        assertThat(send(hidden, "Authorization", "Bearer " + FakeHub.WRITER).statusCode())
                .isEqualTo(200);
        assertThat(send(hidden, "Authorization", "Bearer hf_wrong").body())
                .contains("Invalid credentials in Authorization header");
    }

    @Test
    void aStaleParentIsRefused() throws Exception {
        String stale = repo.head("main").orElseThrow();
        repo.commit("meanwhile", Map.of("a.txt", new byte[] {1}));
        var request =
                HttpRequest.newBuilder(hub.endpoint().resolve("/api/models/acme/tiny/commit/main"))
                        .header("Authorization", "Bearer " + FakeHub.WRITER)
                        .POST(
                                HttpRequest.BodyPublishers.ofString(
                                        "{\"key\":\"header\",\"value\":{\"summary\":\"s\",\"parentCommit\":\"%s\"}}\n"
                                                .formatted(stale)))
                        .build();
        assertThat(client.send(request, BodyHandlers.ofString()).statusCode()).isEqualTo(412);
    }

    @Test
    void pathsOutsideARepositoryAreRefused() throws Exception {
        for (String path : new String[] {"../x", "a/../../x", "/x", "a//b", ".git/config"}) {
            var request =
                    HttpRequest.newBuilder(
                                    hub.endpoint().resolve("/api/models/acme/tiny/commit/main"))
                            .header("Authorization", "Bearer " + FakeHub.WRITER)
                            .POST(
                                    HttpRequest.BodyPublishers.ofString(
                                            """
                                            {"key":"header","value":{"summary":"s"}}
                                            {"key":"file","value":{"path":"%s","content":"","encoding":"base64"}}
                                            """
                                                    .formatted(path)))
                            .build();
            assertThat(client.send(request, BodyHandlers.ofString()).statusCode())
                    .as(path)
                    .isEqualTo(400);
        }
    }

    @Test
    void faultsStrikeWhereAndAsOftenAsTheyAreTold() throws Exception {
        Fault busy = hub.inject(Fault.rateLimit(7).target("/a.txt").times(1));
        HttpResponse<String> limited = get("/acme/tiny/resolve/main/a.txt");
        assertThat(limited.statusCode()).isEqualTo(429);
        assertThat(header(limited, "RateLimit")).isEqualTo("\"resolvers\";r=0;t=7");
        assertThat(get("/acme/tiny/resolve/main/a.txt").statusCode()).isEqualTo(307);
        assertThat(busy.struck()).isEqualTo(1);

        hub.inject(Fault.redirect(307, "").target("/a.txt"));
        assertThat(header(get("/acme/tiny/resolve/main/a.txt"), "Location"))
                .isEqualTo("/acme/tiny/resolve/main/a.txt");
        hub.heal();
        assertThat(get("/acme/tiny/resolve/main/a.txt").statusCode()).isEqualTo(307);
    }

    @Test
    void bodiesAreCutShortenedLengthenedAndBent() throws Exception {
        URI file = URI.create(header(get("/acme/tiny/resolve/main/a/b/c.safetensors"), "Location"));

        hub.inject(Fault.cutBody(4).times(1));
        assertThatThrownBy(() -> send(file)).isInstanceOf(IOException.class);
        hub.inject(Fault.hangUp().times(2)); // the JDK's client tries a GET again
        assertThatThrownBy(() -> send(file)).isInstanceOf(IOException.class);
        hub.heal();
        hub.inject(Fault.shorten(3).times(1));
        assertThat(send(file).body()).isEqualTo("0123456");
        hub.inject(Fault.lengthen(2).times(1));
        assertThat(send(file).body()).isEqualTo("0123456789\0\0");
        hub.inject(Fault.ignoreRange().times(1));
        assertThat(send(file, "Range", "bytes=5-").body()).isEqualTo("0123456789");
        hub.inject(Fault.flipBit(5).times(2));
        assertThat(send(file).body()).isEqualTo("0123446789");
        assertThat(send(file, "Range", "bytes=4-").body()).isEqualTo("446789");
    }

    @Test
    void aBombIsSmallOnTheWire() throws Exception {
        hub.inject(Fault.gzipBomb(50_000_000).times(1));
        var request = HttpRequest.newBuilder(hub.endpoint().resolve("/api/models/acme/tiny"));
        HttpResponse<java.io.InputStream> bomb =
                client.send(request.build(), BodyHandlers.ofInputStream());
        assertThat(header(bomb, "Content-Encoding")).isEqualTo("gzip");
        try (var in = new GZIPInputStream(bomb.body())) {
            assertThat(in.skip(60_000_000)).isEqualTo(50_000_000);
        }
        assertThat(hub.served().getLast().bodyBytes()).isLessThan(100_000);
    }

    private HttpResponse<String> get(String path) throws Exception {
        return send(hub.endpoint().resolve(path));
    }

    private HttpResponse<String> send(URI uri, String... headers) throws Exception {
        var request = HttpRequest.newBuilder(uri);
        if (headers.length > 0) {
            request.headers(headers);
        }
        return client.send(request.build(), BodyHandlers.ofString());
    }

    private static String header(HttpResponse<?> response, String name) {
        return response.headers().firstValue(name).orElse("");
    }
}
