package graft.hub.interop;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;

import graft.hub.DownloadRequest;
import graft.hub.FileFilter;
import graft.hub.HubClient;
import graft.hub.HubOptions;
import graft.hub.RepoRef;
import graft.hub.testing.Call;
import graft.hub.testing.FakeHub;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;

/**
 * One cache, three clients: what one fetched, the others read, offline and without a second copy.
 */
class SharedCacheTest {
    private static final RepoRef TINY = RepoRef.parse("acme/tiny").orElseThrow();

    @TempDir Path folder;
    PeerSite site;
    String commit = "";
    Map<String, String> expected = Map.of();

    @BeforeEach
    void start() throws Exception {
        site = new PeerSite(folder);
        Map<String, byte[]> files = PeerSite.files();
        files.remove("empty.txt"); // JavaScript can neither fetch an empty file
        files.remove("50%.txt"); // nor one with this sign
        var repo = site.hub.create("acme/tiny");
        commit = repo.commit("add", files);
        files.put(".gitattributes", repo.read("main", ".gitattributes"));
        expected = PeerSite.hashes(files);
    }

    @AfterEach
    void stop() {
        site.close();
    }

    private Path download(boolean offline, boolean symlinks) throws IOException {
        try (HubClient graft =
                site.graft((HubOptions o) -> o.withOffline(offline).withSymlinks(symlinks))) {
            return graft.download(DownloadRequest.of(graft.snapshot(TINY), FileFilter.ALL));
        }
    }

    private void assertNothingMoved() {
        assertThat(site.hub.served())
                .as("calls for content")
                .noneMatch(served ->
                        served.call().origin() == Call.Origin.CDN
                                || served.call().target().contains("resolve-cache"));
    }

    @Test
    void pythonFillsGraftReads() throws Exception {
        filledBy(PeerClient.python());
    }

    @Test
    void javaScriptFillsGraftReads() throws Exception {
        filledBy(PeerClient.javaScript());
    }

    private void filledBy(PeerClient other) throws Exception {
        other.run(site.environment(FakeHub.WRITER), "snapshot", "acme/tiny", "main");
        site.hub.forgetServed();

        Path online = download(false, true);
        assertThat(PeerSite.hashes(online)).isEqualTo(expected);
        assertNothingMoved();

        site.hub.close();
        Path offline = download(true, true);
        assertThat(offline).isEqualTo(online).hasFileName(commit);
        assertThat(PeerSite.hashes(offline)).isEqualTo(expected);
    }

    @Test
    void graftFillsPythonReads() throws Exception {
        graftFillsPythonReads(PeerClient.python(), true);
    }

    @Test
    void graftFillsWithoutLinksPythonReads() throws Exception {
        graftFillsPythonReads(PeerClient.python(), false);
    }

    private void graftFillsPythonReads(PeerClient python, boolean symlinks) throws Exception {
        Path folder = download(false, symlinks);
        assertThat(Files.isSymbolicLink(folder.resolve("config.json"))).isEqualTo(symlinks);
        var environment = site.environment(FakeHub.WRITER);
        site.hub.forgetServed();

        JsonNode online = python.run(environment, "snapshot", "acme/tiny", "main");
        assertThat(PeerSite.hashes(online.path("files"))).isEqualTo(expected);
        assertNothingMoved();

        site.hub.close();
        JsonNode offline = python.run(environment, "offline", "acme/tiny", "main");
        assertThat(offline.path("folder").asText()).isEqualTo(folder.toString());
        assertThat(PeerSite.hashes(offline.path("files"))).isEqualTo(expected);

        JsonNode scan = python.run(environment, "scan");
        assertThat(scan.path("warnings")).isEmpty();
        long bytes = 0;
        for (byte[] content : PeerSite.files().values()) {
            bytes += content.length;
        }
        assertThat(scan.path("repos").path("acme/tiny").asLong()).isGreaterThan(bytes - 10);
    }

    @Test
    void graftFillsJavaScriptReads() throws Exception {
        PeerClient javaScript = PeerClient.javaScript();
        download(false, true);
        var environment = site.environment(FakeHub.WRITER);
        site.hub.forgetServed();

        JsonNode online = javaScript.run(environment, "snapshot", "acme/tiny", "main");
        assertThat(PeerSite.hashes(online.path("files"))).isEqualTo(expected);
        assertNothingMoved();

        site.hub.close();
        var arguments = new ArrayList<>(List.of("offline", "acme/tiny", commit));
        arguments.addAll(expected.keySet());
        JsonNode offline = javaScript.run(environment, arguments.toArray(String[]::new));
        assertThat(PeerSite.hashes(offline.path("files"))).isEqualTo(expected);
    }

    @Test
    void pythonAndGraftFillTheSameCacheAtOnce() throws Exception {
        PeerClient python = PeerClient.python();
        var environment = site.environment(FakeHub.WRITER);
        var other =
                CompletableFuture.supplyAsync(() -> {
                    try {
                        return python.run(environment, "snapshot", "acme/tiny", "main");
                    } catch (IOException | InterruptedException e) {
                        throw new IllegalStateException(e);
                    }
                });
        for (int round = 0; !other.isDone() || round == 0; round++) {
            assertThat(PeerSite.hashes(download(false, true))).isEqualTo(expected);
        }
        assertThat(PeerSite.hashes(other.join().path("files"))).isEqualTo(expected);
        try (var blobs = Files.list(site.cache().resolve("models--acme--tiny/blobs"))) {
            assertThat(blobs)
                    .as("no temporary is left")
                    .noneMatch(b -> b.toString().contains("." + "incomplete"));
        }
    }
}
