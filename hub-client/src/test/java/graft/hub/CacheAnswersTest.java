package graft.hub;

import static org.assertj.core.api.Assertions.assertThat;

import graft.hub.testing.Fault;

import org.junit.jupiter.api.Test;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;

/** What downloads leave on disk, and what is answered from there. */
class CacheAnswersTest extends TinyHub {
    @Test
    void fillsTheCacheInTheLayoutThatOthersRead() throws IOException {
        String commit = repo.head("main").orElseThrow();
        try (var client = client(options())) {
            Path root = client.download(DownloadRequest.of(client.snapshot(TINY), FileFilter.ALL));

            Path home = cache().resolve("models--acme--tiny");
            assertThat(root).isEqualTo(home.resolve("snapshots").resolve(commit));
            assertThat(root.resolve("config.json")).hasBinaryContent(CONFIG);
            assertThat(root.resolve("empty.txt")).isEmptyFile();
            assertThat(root.resolve("sub/model.safetensors")).hasBinaryContent(WEIGHTS);
            assertThat(home.resolve("refs/main")).hasContent(commit);
            assertThat(Files.readSymbolicLink(root.resolve("sub/model.safetensors")))
                    .isRelative()
                    .asString()
                    .startsWith("../../../blobs/");
            assertThat(home.resolve("trees").resolve(commit + ".json"))
                    .content()
                    .contains("lfs_sha256");
            assertThat(cache().resolve("CACHEDIR.TAG")).exists();
            assertThat(leftovers()).isEmpty();
        }
    }

    @Test
    void withoutLinksTheSnapshotHoldsFiles() throws IOException {
        try (var client = client(options().withSymlinks(false))) {
            Path root = client.download(DownloadRequest.of(client.snapshot(TINY), FileFilter.ALL));
            Path weights = root.resolve("sub/model.safetensors");
            assertThat(weights).hasBinaryContent(WEIGHTS);
            assertThat(Files.isSymbolicLink(weights)).isFalse();
        }
    }

    @Test
    void localFolderIsFilledAndRemembered() throws IOException {
        Path local = folder.resolve("local");
        try (var client = client(options())) {
            var request =
                    new DownloadRequest(
                            client.snapshot(TINY),
                            FileFilter.including(List.of("*.json", "sub/*")),
                            Optional.of(local),
                            false);
            assertThat(client.download(request)).isEqualTo(local);
            assertThat(local.resolve("sub/model.safetensors"))
                    .hasBinaryContent(WEIGHTS)
                    .isRegularFile();
            assertThat(
                            Files.readAllLines(
                                    local.resolve(
                                            ".cache/huggingface/download/config.json.metadata")))
                    .hasSize(3);
            assertThat(client.plan(request).bytesToFetch()).isZero();
            Files.writeString(local.resolve("config.json"), "{\"model_type\": \"tidy\"}");
            var later =
                    java.nio.file.attribute.FileTime.from(java.time.Instant.now().plusSeconds(5));
            Files.setLastModifiedTime(local.resolve("config.json"), later);
            assertThat(client.plan(request).filesToFetch()).isOne();
        }
        assertThat(cache().resolve("models--acme--tiny/blobs")).doesNotExist();
    }

    @Test
    void readOnlyCacheServesWhatItHas() throws IOException {
        try (var client = client(options())) {
            client.download(DownloadRequest.of(client.snapshot(TINY), FileFilter.ALL));
        }
        setWritable(cache(), false);
        try (var client = client(options())) {
            Path root = client.download(DownloadRequest.of(client.snapshot(TINY), FileFilter.ALL));
            assertThat(root.resolve("config.json")).hasBinaryContent(CONFIG);
        } finally {
            setWritable(cache(), true);
        }
    }

    private static void setWritable(Path root, boolean writable) throws IOException {
        try (var all = Files.walk(root)) {
            for (Path path : all.filter(Files::isDirectory).toList()) {
                assertThat(path.toFile().setWritable(writable)).isTrue();
            }
        }
    }

    @Test
    void offlineAnswersFromTheCache() throws IOException {
        try (var client = client(options())) {
            client.download(DownloadRequest.of(client.snapshot(TINY), FileFilter.ALL));
        }
        hub.close();
        try (var client = client(options().withOffline(true))) {
            Path root = client.download(DownloadRequest.of(client.snapshot(TINY), FileFilter.ALL));
            assertThat(root.resolve("config.json")).hasBinaryContent(CONFIG);
        }
        try (var client = client(options())) { // unreachable, though nobody said so
            assertThat(client.snapshot(TINY).files()).hasSize(4);
        }
    }

    @Test
    void unreachableHubIsSaidWhenTheCacheAnswers() throws IOException {
        try (var client = client(options())) {
            client.download(DownloadRequest.of(client.snapshot(TINY), FileFilter.ALL));
        }
        hub.inject(Fault.hangUp());
        try (var client = client(options())) {
            assertThat(client.snapshot(TINY).files()).hasSize(4);
        }
        assertThat(events)
                .anyMatch(e ->
                        e instanceof HubEvent.Warning(String text)
                                && text.startsWith("the Hub cannot be reached"));
    }
}
