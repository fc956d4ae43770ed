package graft.hub.interop;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;

import graft.hub.FileFilter;
import graft.hub.HubClient;
import graft.hub.RepoRef;
import graft.hub.UploadRequest;
import graft.hub.Uploaded;
import graft.hub.testing.FakeHub;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.Optional;

/** What Graft uploads, the other clients see; what they uploaded, Graft leaves alone. */
class SharedRepositoryTest {
    @TempDir Path folder;
    PeerSite site;

    @BeforeEach
    void start() throws IOException {
        site = new PeerSite(folder);
    }

    @AfterEach
    void stop() {
        site.close();
    }

    private Uploaded upload(Path local, boolean pullRequest) throws IOException {
        try (HubClient graft = site.graft(o -> o)) {
            return graft.upload(
                    new UploadRequest(
                            RepoRef.parse("acme/new").orElseThrow(),
                            local,
                            FileFilter.ALL,
                            "by Graft",
                            "and a description",
                            pullRequest,
                            true,
                            Optional.empty()));
        }
    }

    @Test
    void pythonSeesWhatGraftUploaded() throws Exception {
        seenBy(PeerClient.python(), PeerSite.files());
    }

    @Test
    void javaScriptSeesWhatGraftUploaded() throws Exception {
        Map<String, byte[]> files = PeerSite.files();
        files.remove("empty.txt");
        files.remove("50%.txt");
        seenBy(PeerClient.javaScript(), files);
    }

    private void seenBy(PeerClient other, Map<String, byte[]> files) throws Exception {
        Path local = site.write(files);
        Uploaded main = upload(local, false);
        Files.writeString(local.resolve("config.json"), "{\"changed\": true}");
        Uploaded pullRequest = upload(local, true);
        assertThat(main.files()).isEqualTo(files.size());
        assertThat(pullRequest.files()).as("only what changed").isEqualTo(1);
        assertThat(site.hub.repo("acme/new").isPrivate()).isTrue();
        site.assertNoTokenAtTheCdn();
        var environment = site.environment(FakeHub.WRITER);

        JsonNode seen = other.run(environment, "snapshot", "acme/new", "main");
        assertThat(seen.path("folder").asText()).endsWith(main.commit());
        assertThat(PeerSite.hashes(seen.path("files")))
                .containsAllEntriesOf(PeerSite.hashes(files));

        files.put("config.json", "{\"changed\": true}".getBytes(StandardCharsets.UTF_8));
        JsonNode proposed = other.run(environment, "snapshot", "acme/new", pullRequest.commit());
        assertThat(PeerSite.hashes(proposed.path("files")))
                .containsAllEntriesOf(PeerSite.hashes(files));
    }

    @Test
    void graftSendsNothingThatPythonUploadedBefore() throws Exception {
        sendsNothingAfter(PeerClient.python());
    }

    @Test
    void graftSendsNothingThatJavaScriptUploadedBefore() throws Exception {
        sendsNothingAfter(PeerClient.javaScript());
    }

    private void sendsNothingAfter(PeerClient other) throws Exception {
        Path local = site.write(PeerSite.files());
        JsonNode theirs =
                other.run(site.environment(FakeHub.WRITER), "upload", "acme/new", local.toString());

        Uploaded ours = upload(local, false);

        assertThat(ours.commit()).isEqualTo(theirs.path("commit").asText());
        assertThat(ours.files()).isZero();
        assertThat(ours.unchanged()).isEqualTo(PeerSite.files().size());
        assertThat(ours.bytesSent()).isZero();
    }
}
