package graft.hub;

import static graft.hub.testing.Call.Origin.CDN;
import static graft.hub.testing.Call.Origin.HUB;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.catchThrowable;

import graft.hub.testing.FakeHub;
import graft.hub.testing.Fault;
import graft.hub.testing.Served;
import graft.hub.testing.TestCertificate;

import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.stream.Stream;

/**
 * A Hub that means harm. Whatever it sends, nothing lies outside the cache, nothing under a final
 * name, and the token stays at home; the table of {@code docs/hub-faults.md}.
 */
class HostileHubTest {
    private static final ReportTable TABLE =
            new ReportTable("what the server sends", "what the client says");

    /** Of hub-docs and the upstream tests for CVE-2026-15717, and a few more. */
    private static final List<String> PATHS =
            List.of(
                    "../../../etc/passwd",
                    "folder/../../../etc/passwd",
                    "..\\..\\Windows\\evil",
                    "folder\\..\\..\\evil",
                    "/etc/passwd",
                    "C:\\Windows\\System32\\evil",
                    "C:/Windows/evil",
                    "D:relative\\evil",
                    "\\\\attacker\\share\\evil",
                    "\\evil",
                    "folder/C:\\Windows\\System32\\evil",
                    "folder/C:/evil",
                    "folder/D:relative\\evil",
                    "folder/\\\\attacker\\share\\evil",
                    "folder/\\evil",
                    "..",
                    ".",
                    "a/./b",
                    "a//b",
                    "a/",
                    "",
                    "a\u0000b",
                    "a\nb",
                    "con",
                    "folder/NUL.txt",
                    "../../blobs/0000000000000000000000000000000000000000",
                    "a/" + "x".repeat(300));

    /** One row: what is sent, and the fault that sends it. */
    record Case(int place, String name, Fault fault) {
        @Override
        public String toString() {
            return name;
        }
    }

    static Stream<Case> cases() {
        Map<String, Fault> cases = new java.util.LinkedHashMap<>();
        for (String path : PATHS) {
            String shown = path.length() > 100 ? path.substring(0, 5) + "… (302 characters)" : path;
            cases.put(
                    "a listing with the path `%s`"
                            .formatted(shown.replace("\u0000", "NUL").replace("\n", "LF")),
                    Fault.rewrite("path", text -> text.replace("\"model.safetensors\"", json(path)))
                            .target("/tree/"));
        }
        cases.put(
                "a listing with the same path twice",
                Fault.rewrite(
                                "twice",
                                text -> text.replace("\"config.json\"", "\"model.safetensors\""))
                        .target("/tree/"));
        cases.put(
                "a listing where a file is another one's folder",
                Fault.rewrite(
                                "folder",
                                text -> text.replace("\"config.json\"", "\"model.safetensors/x\""))
                        .target("/tree/"));
        cases.put(
                "a listing whose sha256 is a path",
                Fault.rewrite(
                                "oid",
                                text -> text.replaceAll("\"[0-9a-f]{64}\"", "\"../../../../pwn\""))
                        .target("/tree/"));
        cases.put(
                "a listing with a size below zero",
                Fault.rewrite("size", text -> text.replace("\"size\":400000", "\"size\":-1"))
                        .target("/tree/"));
        cases.put(
                "a listing with a size of 8 EB",
                Fault.rewrite(
                                "huge",
                                text ->
                                        text.replace(
                                                "\"size\":400000", "\"size\":9000000000000000000"))
                        .target("/tree/"));
        cases.put(
                "a listing that goes on at itself for ever",
                Fault.header("Link", "</api/models/acme/tiny/tree/main?cursor=0>; rel=\"next\"")
                        .target("/tree/"));
        cases.put(
                "a listing that goes on at another host",
                Fault.header("Link", "<http://localhost:9/next>; rel=\"next\"").target("/tree/"));
        cases.put(
                "a listing nested 100 000 deep",
                Fault.rewrite("nested", _ -> "[".repeat(100_000)).target("/tree/"));
        cases.put("an answer of 2 GB of spaces", Fault.flood(2_000_000_000L).target("/revision/"));
        cases.put(
                "a commit that is a path",
                Fault.rewrite(
                                "sha",
                                text ->
                                        text.replaceAll(
                                                "\"sha\":\"[0-9a-f]{40}\"",
                                                "\"sha\":\"../../../../pwn\""))
                        .target("/revision/"));
        cases.put(
                "an ETag that is a path, of a large file",
                Fault.header("X-Linked-ETag", "\"../../../../pwn\"").target("/resolve/"));
        cases.put(
                "an ETag that is a path, of a small file",
                Fault.header("X-Linked-ETag", "\"..\\..\\..\\pwn\"").target("config.json"));
        cases.put("a redirect to itself", Fault.redirect(307, "").target("/resolve/"));
        cases.put(
                "a redirect to a file on this disk",
                Fault.redirect(302, "file:///etc/passwd").target("/resolve/"));
        cases.put(
                "a redirect to an address with a password",
                Fault.redirect(302, "http://user:secret@127.0.0.1/").target("/resolve/"));
        cases.put("a header of 1 MB", Fault.header("X-Padding", "x".repeat(1 << 20)).on(HUB));
        cases.put(
                "a gzip bomb of 10 GB as listing",
                Fault.gzipBomb(10_000_000_000L).target("/tree/"));
        cases.put(
                "a gzip bomb of 10 GB as small file",
                Fault.gzipBomb(10_000_000_000L).target("/resolve-cache/"));
        cases.put("a gzip bomb of 10 GB as large file", Fault.gzipBomb(10_000_000_000L).on(CDN));
        TABLE.expect(cases.size());
        List<Case> list = new ArrayList<>();
        cases.forEach((name, fault) -> list.add(new Case(list.size(), name, fault)));
        return list.stream();
    }

    private static String json(String text) {
        return graft.hub.http.Json.MAPPER.valueToTree(text).toString();
    }

    @TempDir Path folder;
    private HubSite site;

    @BeforeEach
    void start() throws IOException {
        site = new HubSite(folder);
        site.hub
                .create("acme/tiny")
                .commit(
                        "add",
                        new TreeMap<>(
                                Map.of(
                                        "model.safetensors", HubSite.bytes(400_000),
                                        "config.json", HubSite.text(2_000))));
    }

    @AfterEach
    void stop() {
        site.close();
    }

    @ParameterizedTest
    @MethodSource("cases")
    void isRefusedAndLeavesNothing(Case attack) throws IOException {
        site.hub.inject(attack.fault);

        Throwable thrown = catchThrowable(this::download);

        assertThat(thrown)
                .isInstanceOfAny(HubException.class, NoSpaceException.class)
                .satisfies(e -> assertThat(e.getMessage()).doesNotContain(FakeHub.WRITER, "\n"));
        assertThat(attack.fault.struck()).isPositive();
        assertThat(site.finalNames().keySet()).noneMatch(name -> name.contains("pwn"));
        site.assertNoStrays();
        long sent = site.hub.served().stream().mapToLong(Served::bodyBytes).sum();
        assertThat(sent).as("read before it was refused").isLessThan(200_000_000);
        TABLE.add(
                attack.place,
                attack.name,
                "`%s`: %s".formatted(thrown.getClass().getSimpleName(), message(thrown)));
    }

    /** What was said, without what differs from run to run. */
    private static String message(Throwable thrown) {
        return String.valueOf(thrown.getMessage())
                .replaceFirst("^acme/tiny(@\\w+)?: ", "")
                .replaceFirst("^(\\.gitattributes|config\\.json|model\\.safetensors): ", "")
                .replaceAll("/tmp/\\S+", "…")
                .replaceAll("127\\.0\\.0\\.1:[0-9]+", "127.0.0.1")
                .replaceAll("has [0-9,]+ free", "has … free");
    }

    private void download() throws IOException {
        try (HubClient client = site.client()) {
            site.download(client);
        }
    }

    @Test
    void theTokenStaysAtTheEndpoint() throws IOException {
        try (FakeHub foreign = FakeHub.start(folder.resolve("hub/foreign"))) {
            foreign.create("acme/tiny").commit("same", Map.of("config.json", HubSite.text(2_000)));
            for (Fault fault :
                    List.of(
                            Fault.redirect(
                                            302,
                                            foreign.endpoint()
                                                    + "/acme/tiny/resolve/main/config.json")
                                    .target("/resolve/"),
                            Fault.redirect(307, foreign.endpoint() + "/api/models/acme/tiny")
                                    .target("/revision/"),
                            Fault.header(
                                            "Link",
                                            "<%s/api/models/acme/tiny/tree/main>; rel=\"next\""
                                                    .formatted(foreign.endpoint()))
                                    .target("/tree/"))) {
                site.hub.heal();
                site.hub.inject(fault);
                assertThat(catchThrowable(this::download)).isInstanceOf(HubException.class);
            }
            assertNoToken(foreign.served());
        }
        assertNoToken(site.hub.served().stream().filter(s -> s.call().origin() == CDN).toList());
    }

    @Test
    void anUploadSendsTheTokenNowhereElse() throws IOException {
        try (FakeHub foreign = FakeHub.start(folder.resolve("hub/foreign"))) {
            String home = site.hub.endpoint().toString();
            site.hub.inject(
                    Fault.rewrite(
                                    "verify elsewhere",
                                    text -> text.replace(home, foreign.endpoint().toString()))
                            .target("/info/lfs/objects/batch"));
            Path local = java.nio.file.Files.createDirectories(folder.resolve("hub/local"));
            java.nio.file.Files.write(local.resolve("new.safetensors"), HubSite.bytes(1_000));
            try (HubClient client = site.client()) {
                assertThatThrownBy(() ->
                                client.upload(
                                        new UploadRequest(
                                                RepoRef.parse("acme/tiny").orElseThrow(),
                                                local,
                                                FileFilter.ALL,
                                                "add",
                                                "",
                                                false,
                                                false,
                                                Optional.empty())))
                        .isInstanceOf(HubException.class);
            }
            assertNoToken(foreign.served());
            assertThat(site.hub.repo("acme/tiny").files("main")).doesNotContain("new.safetensors");
        }
    }

    private static void assertNoToken(List<Served> calls) {
        assertThat(calls)
                .allSatisfy(served -> {
                    assertThat(served.call().headers().values().toString())
                            .doesNotContain(FakeHub.WRITER);
                    assertThat(served.call().target()).doesNotContain(FakeHub.WRITER);
                });
    }

    @Test
    void httpsIsNotFollowedToHttp() throws IOException {
        TestCertificate certificate = TestCertificate.create(folder);
        Map<String, String> trust =
                Map.of(
                        "javax.net.ssl.trustStore", certificate.store().toString(),
                        "javax.net.ssl.trustStorePassword", certificate.password());
        trust.forEach(System::setProperty);
        try (var secure =
                new HubSite(
                        folder.resolve("tls"), new FakeHub.Options().tls(certificate.context()))) {
            secure.hub
                    .create("acme/tiny")
                    .commit("add", Map.of("model.safetensors", HubSite.bytes(1_000)));
            try (HubClient client = secure.client()) {
                secure.hub.inject(
                        Fault.redirect(
                                        302,
                                        site.hub.endpoint()
                                                + "/acme/tiny/resolve/main/model.safetensors")
                                .target("/resolve/"));
                assertThatThrownBy(() -> secure.download(client))
                        .isInstanceOf(HubException.Corrupted.class)
                        .hasMessageContaining("https to http");
                assertThat(site.hub.served()).as("nothing was sent there").isEmpty();

                secure.hub.heal();
                secure.download(client);
                assertThat(secure.finalNames().values())
                        .contains(HubSite.sha256(HubSite.bytes(1_000)));
            }
        } finally {
            trust.keySet().forEach(System::clearProperty);
        }
    }

    @Test
    void aServerWithAnUnknownCertificateIsNotBelieved() throws IOException {
        TestCertificate certificate = TestCertificate.create(folder);
        try (var secure =
                        new HubSite(
                                folder.resolve("tls"),
                                new FakeHub.Options().tls(certificate.context()));
                HubClient client = secure.client()) {
            secure.hub.create("acme/tiny");
            assertThatThrownBy(() -> secure.download(client))
                    .isInstanceOf(HubException.Unreachable.class)
                    .hasMessageContaining("TLS");
            assertThat(secure.hub.served()).isEmpty();
        }
    }

    @Test
    void whatTheServerSaysCannotPaintTheTerminalOrShowTheToken() throws IOException {
        site.hub.inject(
                Fault.rewrite(
                                "echo",
                                _ ->
                                        "{\"error\": \"\\u001b[31m\\r\\n%s\"}"
                                                .formatted(FakeHub.WRITER))
                        .target("/revision/"));
        site.hub.inject(Fault.status(400).target("/revision/"));
        Throwable thrown = catchThrowable(this::download);
        assertThat(thrown).isInstanceOf(HubException.class);
        assertThat(thrown.toString()).doesNotContain(FakeHub.WRITER);
        assertThat(String.valueOf(thrown.getMessage()).chars()).allMatch(c -> c >= ' ');
    }

    @ParameterizedTest
    @MethodSource("revisions")
    void aRevisionIsNoPathEither(String revision) throws IOException {
        Throwable thrown =
                catchThrowable(() -> {
                    var ref = new RepoRef("acme", "tiny", Optional.of(revision), "");
                    try (HubClient client = site.client()) {
                        client.snapshot(ref);
                    }
                });
        assertThat(thrown).isInstanceOfAny(IllegalArgumentException.class, HubException.class);
        site.assertNoStrays();
    }

    static Stream<String> revisions() {
        return Stream.of("../../../pwn", "..", "a/../../pwn", "/etc/passwd", "a\\..\\pwn", "");
    }

    @AfterAll
    static void report() throws IOException {
        TABLE.publish("hub-hostile.md");
    }
}
