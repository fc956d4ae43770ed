package graft.hub.interop;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;

import graft.hub.testing.Call;
import graft.hub.testing.FakeHub;
import graft.hub.testing.FakeRepo;
import graft.hub.testing.Fault;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.Map;
import java.util.Random;

/** {@link FakeHub} proven by the two official clients, which know the real Hub. */
class FakeHubPeersTest {
    private static final long SEED = 7;

    @TempDir Path folder;
    FakeHub hub;

    @BeforeEach
    void start() throws IOException {
        // Small pages and parts, so that a small repository meets pagination and multipart.
        hub =
                FakeHub.start(
                        folder.resolve("hub"),
                        new FakeHub.Options().pageSize(3).multipart(300_000, 200_000));
    }

    @AfterEach
    void stop() {
        hub.close();
    }

    @Test
    void pythonDownloadsWhatWasCommitted() throws Exception {
        downloadsWhatWasCommitted(PeerClient.python(), files());
    }

    @Test
    void javaScriptDownloadsWhatWasCommitted() throws Exception {
        Map<String, byte[]> files = files();
        files.remove("empty.txt"); // it asks for the first byte to learn the size
        files.remove("50%.txt"); // it does not encode the sign
        downloadsWhatWasCommitted(PeerClient.javaScript(), files);
    }

    private void downloadsWhatWasCommitted(PeerClient client, Map<String, byte[]> files)
            throws Exception {
        FakeRepo repo = hub.create("acme/tiny").setPrivate(true).setGated(true);
        String commit = repo.commit("add", files);
        repo.commit("later", Map.of("config.json", "{}".getBytes(StandardCharsets.UTF_8)));
        repo.tag("v1", commit);

        JsonNode done = client.run(environment(FakeHub.WRITER), "snapshot", "acme/tiny", "v1");

        files.put(".gitattributes", repo.read("v1", ".gitattributes"));
        assertThat(hashes(done.path("files"))).isEqualTo(hashes(files));
        assertThat(done.path("folder").asText()).endsWith(commit);
        assertThat(Files.readString(cache().resolve("models--acme--tiny/refs/v1")))
                .isEqualTo(commit);
        assertNoTokenAtTheCdn();
    }

    @Test
    void pythonUploadsAndTheRepositoryHasIt() throws Exception {
        uploads(PeerClient.python());
    }

    @Test
    void javaScriptUploadsAndTheRepositoryHasIt() throws Exception {
        uploads(PeerClient.javaScript());
    }

    private void uploads(PeerClient client) throws Exception {
        Map<String, byte[]> files = files();
        Path local = folder.resolve("local");
        for (var file : files.entrySet()) {
            Files.createDirectories(local.resolve(file.getKey()).getParent());
            Files.write(local.resolve(file.getKey()), file.getValue());
        }
        var environment = environment(FakeHub.WRITER);

        JsonNode first = client.run(environment, "upload", "acme/new", local.toString());

        FakeRepo repo = hub.repo("acme/new");
        assertThat(repo.head("main")).contains(first.path("commit").asText());
        for (var file : files.entrySet()) {
            assertThat(repo.read("main", file.getKey()))
                    .as(file.getKey())
                    .isEqualTo(file.getValue());
        }
        assertThat(repo.isLarge("main", "model.safetensors")).isTrue();
        assertThat(repo.isLarge("main", "config.json")).isFalse();
        assertThat(hub.served())
                .as("three parts of 450000 bytes")
                .filteredOn(served -> served.call().target().matches("/upload/.*/[123]\\?.*"))
                .hasSize(3);

        Files.writeString(local.resolve("config.json"), "{\"changed\": true}");
        JsonNode second = client.run(environment, "upload", "acme/new", local.toString(), "pr");

        assertThat(repo.head("main")).as("untouched").contains(first.path("commit").asText());
        assertThat(repo.head("refs/pr/1")).contains(second.path("commit").asText());
        assertThat(second.path("pullRequest").asText())
                .isEqualTo(hub.endpoint() + "/acme/new/discussions/1");
        assertThat(repo.read("refs/pr/1", "config.json"))
                .asString(StandardCharsets.UTF_8)
                .contains("changed");
        assertNoTokenAtTheCdn();
    }

    @Test
    void pythonRecognisesEveryError() throws Exception {
        PeerClient python = PeerClient.python();
        hub.create("acme/gated").setGated(true);
        hub.create("acme/hidden").setPrivate(true);
        hub.create("acme/open");

        JsonNode errors =
                python.run(
                        environment(""),
                        "errors",
                        "acme/gated",
                        "",
                        "acme/gated",
                        FakeHub.READER,
                        "acme/hidden",
                        "",
                        "acme/hidden",
                        FakeHub.READER,
                        "acme/open@v9",
                        "",
                        "acme/open",
                        "");

        assertThat(errors)
                .extracting(JsonNode::asText)
                .containsExactly(
                        "GatedRepoError",
                        "GatedRepoError",
                        "RepositoryNotFoundError",
                        "RepositoryNotFoundError",
                        "RevisionNotFoundError",
                        "RemoteEntryNotFoundError");
    }

    @Test
    void pythonRecoversFromCutBodiesAndFollowsARename() throws Exception {
        PeerClient python = PeerClient.python();
        Map<String, byte[]> files = files();
        hub.create("acme/old").commit("add", files);
        hub.rename("acme/old", "acme/renamed");
        Fault cut =
                hub.inject(
                        Fault.cutBody(100_000)
                                .on(Call.Origin.CDN)
                                .target("model.safetensors")
                                .times(2));

        JsonNode done = python.run(environment(FakeHub.READER), "snapshot", "acme/old", "main");

        assertThat(hashes(done.path("files"))).containsAllEntriesOf(hashes(files));
        assertThat(cut.struck()).isEqualTo(2);
    }

    private Path cache() {
        return folder.resolve("cache");
    }

    private Map<String, String> environment(String token) {
        Map<String, String> environment = new HashMap<>();
        environment.put("HF_ENDPOINT", hub.endpoint().toString());
        environment.put("HF_HOME", folder.resolve("home").toString());
        environment.put("HF_HUB_CACHE", cache().toString());
        environment.put("HF_TOKEN", token);
        environment.put("HF_HUB_DISABLE_XET", "1");
        environment.put("HF_HUB_DISABLE_TELEMETRY", "1");
        environment.put("HF_HUB_DISABLE_PROGRESS_BARS", "1");
        environment.put("NO_PROXY", "127.0.0.1,localhost");
        return environment;
    }

    private void assertNoTokenAtTheCdn() {
        assertThat(hub.served())
                .filteredOn(served -> served.call().origin() == Call.Origin.CDN)
                .isNotEmpty()
                .allSatisfy(served -> assertThat(served.call().header("Authorization")).isNull());
    }

    /**
     * A multipart file, small LFS and regular ones, awkward names, an empty one, two folders deep.
     */
    private static Map<String, byte[]> files() {
        var random = new Random(SEED);
        Map<String, byte[]> files = new HashMap<>();
        files.put("model.safetensors", bytes(random, 450_000));
        files.put("head/deep/model.safetensors", bytes(random, 1000));
        files.put("config.json", "{\"r\": 8}\n".getBytes(StandardCharsets.UTF_8));
        files.put("empty.txt", new byte[0]);
        files.put("notes/a name, with + & and é.txt", "x".getBytes(StandardCharsets.UTF_8));
        files.put("50%.txt", "y".getBytes(StandardCharsets.UTF_8));
        return files;
    }

    private static byte[] bytes(Random random, int n) {
        byte[] bytes = new byte[n];
        random.nextBytes(bytes);
        return bytes;
    }

    private static Map<String, String> hashes(JsonNode files) {
        Map<String, String> hashes = new HashMap<>();
        files.properties().forEach(file -> hashes.put(file.getKey(), file.getValue().asText()));
        return hashes;
    }

    private static Map<String, String> hashes(Map<String, byte[]> files)
            throws NoSuchAlgorithmException {
        Map<String, String> hashes = new HashMap<>();
        for (var file : files.entrySet()) {
            byte[] digest = MessageDigest.getInstance("SHA-256").digest(file.getValue());
            hashes.put(file.getKey(), HexFormat.of().formatHex(digest));
        }
        return hashes;
    }
}
