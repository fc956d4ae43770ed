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
import java.util.Map;

/** {@link FakeHub} proven by the two official clients, which know the real Hub. */
class FakeHubPeersTest {
    @TempDir Path folder;
    PeerSite site;
    FakeHub hub;

    @BeforeEach
    void start() throws IOException {
        site = new PeerSite(folder);
        hub = site.hub;
    }

    @AfterEach
    void stop() {
        site.close();
    }

    @Test
    void pythonDownloadsWhatWasCommitted() throws Exception {
        downloadsWhatWasCommitted(PeerClient.python(), PeerSite.files());
    }

    @Test
    void javaScriptDownloadsWhatWasCommitted() throws Exception {
        Map<String, byte[]> files = PeerSite.files();
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

        JsonNode done = client.run(site.environment(FakeHub.WRITER), "snapshot", "acme/tiny", "v1");

        files.put(".gitattributes", repo.read("v1", ".gitattributes"));
        assertThat(PeerSite.hashes(done.path("files"))).isEqualTo(PeerSite.hashes(files));
        assertThat(done.path("folder").asText()).endsWith(commit);
        assertThat(Files.readString(site.cache().resolve("models--acme--tiny/refs/v1")))
                .isEqualTo(commit);
        site.assertNoTokenAtTheCdn();
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
        Map<String, byte[]> files = PeerSite.files();
        Path local = folder.resolve("local");
        for (var file : files.entrySet()) {
            Files.createDirectories(local.resolve(file.getKey()).getParent());
            Files.write(local.resolve(file.getKey()), file.getValue());
        }
        var environment = site.environment(FakeHub.WRITER);

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
        site.assertNoTokenAtTheCdn();
    }

    @Test
    void pythonRecognisesEveryError() throws Exception {
        PeerClient python = PeerClient.python();
        hub.create("acme/gated").setGated(true);
        hub.create("acme/hidden").setPrivate(true);
        hub.create("acme/open");

        JsonNode errors =
                python.run(
                        site.environment(""),
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
        Map<String, byte[]> files = PeerSite.files();
        hub.create("acme/old").commit("add", files);
        hub.rename("acme/old", "acme/renamed");
        Fault cut =
                hub.inject(
                        Fault.cutBody(100_000)
                                .on(Call.Origin.CDN)
                                .target("model.safetensors")
                                .times(2));

        JsonNode done =
                python.run(site.environment(FakeHub.READER), "snapshot", "acme/old", "main");

        assertThat(PeerSite.hashes(done.path("files")))
                .containsAllEntriesOf(PeerSite.hashes(files));
        assertThat(cut.struck()).isEqualTo(2);
    }
}
