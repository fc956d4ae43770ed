package graft.hub;

import static graft.hub.testing.Call.Origin.CDN;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import graft.hub.testing.FakeHub;
import graft.hub.testing.FakeRepo;
import graft.hub.testing.Fault;
import graft.hub.testing.Served;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import java.io.IOException;
import java.io.InterruptedIOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.atomic.AtomicReference;

/** The whole client against a Hub on loopback: what arrives, what is asked, what stays on disk. */
class HubClientTest {
    private static final byte[] WEIGHTS = bytes(5_000_000, 7);
    private static final byte[] CONFIG =
            "{\"model_type\": \"tiny\"}".getBytes(StandardCharsets.UTF_8);
    private static final RepoRef TINY = RepoRef.parse("acme/tiny").orElseThrow();

    @TempDir Path folder;
    FakeHub hub;
    FakeRepo repo;
    final List<HubEvent> events = new CopyOnWriteArrayList<>();

    @BeforeEach
    void start() throws IOException {
        hub = FakeHub.start(folder.resolve("hub"));
        repo = hub.create("acme/tiny");
        repo.commit(
                "add",
                Map.of(
                        "config.json", CONFIG,
                        "empty.txt", new byte[0],
                        "sub/model.safetensors", WEIGHTS));
    }

    @AfterEach
    void stop() {
        hub.close();
    }

    HubOptions options() {
        return HubOptions.from(
                        Map.of(
                                "HF_ENDPOINT", hub.endpoint().toString(),
                                "HF_HUB_CACHE", cache().toString(),
                                "HF_TOKEN", FakeHub.WRITER))
                .withSegmentBytes(1_000_000)
                .withTimeouts(Duration.ofSeconds(5), Duration.ofSeconds(5), Duration.ofSeconds(20));
    }

    Path cache() {
        return folder.resolve("cache");
    }

    HubClient client(HubOptions options) {
        return new HubClient(options, events::add, new FastPacer());
    }

    static byte[] bytes(int count, long seed) {
        byte[] bytes = new byte[count];
        new Random(seed).nextBytes(bytes);
        return bytes;
    }

    /** Real clock, no waiting. */
    static final class FastPacer implements graft.hub.http.Pacer {
        @Override
        public long nanoTime() {
            return System.nanoTime();
        }

        @Override
        public void sleep(Duration duration) {}

        @Override
        public double random() {
            return 0.5;
        }
    }

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

    private List<Path> leftovers() throws IOException {
        try (var files = Files.walk(cache())) {
            return files.filter(f -> f.toString().matches(".*(incomplete|tmp)")).toList();
        }
    }

    @Test
    void secondDownloadMovesNothing() throws IOException {
        try (var client = client(options())) {
            client.download(DownloadRequest.of(client.snapshot(TINY), FileFilter.ALL));
            hub.forgetServed();
            Snapshot again = client.snapshot(TINY);
            assertThat(client.plan(DownloadRequest.of(again, FileFilter.ALL)).bytesToFetch())
                    .isZero();
            client.download(DownloadRequest.of(again, FileFilter.ALL));
            assertThat(hub.served()).hasSizeLessThanOrEqualTo(1); // which commit main has
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
    void tokenStaysAtTheEndpoint() throws IOException {
        repo.setPrivate(true);
        try (var client = client(options())) {
            client.download(DownloadRequest.of(client.snapshot(TINY), FileFilter.ALL));
        }
        // FakeHub's CDN answers 400 to anything with an Authorization header.
        assertThat(hub.served()).extracting(Served::status).doesNotContain(400);
    }

    @Test
    void interruptedDownloadGoesOnWhereItWas() throws Exception {
        Fault drip = hub.inject(Fault.drip(2_000_000).on(CDN));
        var failure = new AtomicReference<Throwable>();
        try (var client = client(options())) {
            Snapshot snapshot = client.snapshot(TINY);
            Thread download = HubSite.begin(client, snapshot, failure);
            while (events.stream()
                    .noneMatch(e ->
                            e instanceof HubEvent.Moved(String f, long _)
                                    && f.endsWith("safetensors"))) {
                Thread.sleep(10);
            }
            download.interrupt();
            download.join();
            assertThat(failure.get()).isInstanceOf(InterruptedIOException.class);
            assertThat(leftovers()).hasSize(1);
        }
        hub.heal();
        assertThat(drip.struck()).isPositive();
        events.clear();
        try (var client = client(options())) {
            Path root = client.download(DownloadRequest.of(client.snapshot(TINY), FileFilter.ALL));
            assertThat(root.resolve("sub/model.safetensors")).hasBinaryContent(WEIGHTS);
        }
        assertThat(events)
                .anyMatch(e ->
                        e instanceof HubEvent.Started(String _, long _, long resumed)
                                && resumed > 0);
        assertThat(leftovers()).isEmpty();
    }

    @Test
    void cutBodiesExpiredUrlsAndIgnoredRangesEndInTheRightBytes() throws IOException {
        List<Fault> faults =
                List.of(
                        Fault.cutBody(300_000).times(4).on(CDN),
                        Fault.status(403).times(2).on(CDN),
                        Fault.ignoreRange().on(CDN),
                        Fault.status(503).times(3),
                        Fault.rateLimit(1).times(1));
        for (Fault fault : faults) {
            Path cache = folder.resolve("cache-" + faults.indexOf(fault));
            hub.inject(fault);
            try (var client = client(options().withCache(cache))) {
                Path root =
                        client.download(DownloadRequest.of(client.snapshot(TINY), FileFilter.ALL));
                assertThat(root.resolve("sub/model.safetensors")).hasBinaryContent(WEIGHTS);
                assertThat(fault.struck()).as("%s", fault).isPositive();
            }
            hub.heal();
        }
    }

    @Test
    void wrongBytesNeverGetAName() throws IOException {
        hub.inject(Fault.flipBit(4_321_000).on(CDN));
        try (var client = client(options())) {
            Snapshot snapshot = client.snapshot(TINY);
            assertThatThrownBy(() -> client.download(DownloadRequest.of(snapshot, FileFilter.ALL)))
                    .isInstanceOf(HubException.Corrupted.class)
                    .hasMessageContaining(
                            "acme/tiny: sub/model.safetensors: the bytes have the hash");
        }
        assertThat(leftovers()).isEmpty();
        assertThat(
                        cache().resolve(
                                        "models--acme--tiny/snapshots/"
                                                + repo.head("main").orElseThrow()
                                                + "/sub"))
                .doesNotExist();
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
    void rangesAreReadWithoutDownloading() throws IOException {
        try (var client = client(options())) {
            RemoteFile file = client.open(client.snapshot(TINY), "sub/model.safetensors");
            ByteBuffer some = ByteBuffer.allocate(1000);
            file.read(3_000_000, some);
            assertThat(some.array())
                    .isEqualTo(java.util.Arrays.copyOfRange(WEIGHTS, 3_000_000, 3_001_000));
            assertThat(file.bytesRead()).isEqualTo(1000);
            assertThatThrownBy(() -> file.read(4_999_999, ByteBuffer.allocate(2)))
                    .isInstanceOf(IllegalArgumentException.class);
        }
        assertThat(cache()).doesNotExist();
    }

    @Test
    void uploadSendsWhatChanged() throws IOException {
        Path source = Files.createDirectories(folder.resolve("up"));
        Files.write(source.resolve("model.safetensors"), bytes(300_000, 1));
        Files.write(source.resolve("README.md"), "# card".getBytes(StandardCharsets.UTF_8));
        RepoRef target = RepoRef.parse("acme/new").orElseThrow();
        try (var client = client(options())) {
            Uploaded first = client.upload(upload(target, source));
            assertThat(first.files()).isEqualTo(2);
            assertThat(hub.repo("acme/new").head("main")).contains(first.commit());
            assertThat(hub.repo("acme/new").read("main", "model.safetensors"))
                    .isEqualTo(bytes(300_000, 1));
            assertThat(hub.repo("acme/new").isPrivate()).isTrue();

            Files.write(source.resolve("README.md"), "# better".getBytes(StandardCharsets.UTF_8));
            Uploaded second = client.upload(upload(target, source));
            assertThat(second.files()).isOne();
            assertThat(second.unchanged()).isOne();
            assertThat(second.bytesSent()).isEqualTo(8);

            Uploaded third = client.upload(upload(target, source));
            assertThat(third.files()).isZero();
            assertThat(third.commit()).isEqualTo(second.commit());
        }
    }

    private static UploadRequest upload(RepoRef target, Path source) {
        return new UploadRequest(
                target, source, FileFilter.ALL, "Upload", "", false, true, Optional.empty());
    }

    @Test
    void largeUploadGoesInPartsAndSurvivesAFailure() throws IOException {
        hub.close();
        hub =
                FakeHub.start(
                        folder.resolve("hub2"),
                        new FakeHub.Options().multipart(1_000_000, 400_000));
        hub.create("acme/tiny");
        hub.inject(Fault.status(500).times(2).method("PUT"));
        Path source = folder.resolve("big.safetensors");
        Files.write(source, WEIGHTS);
        try (var client = client(options())) {
            client.upload(upload(TINY, source));
        }
        assertThat(hub.repo("acme/tiny").read("main", "big.safetensors")).isEqualTo(WEIGHTS);
        assertThat(events.stream().mapToLong(HubClientTest::moved).sum()).isEqualTo(WEIGHTS.length);
    }

    private static long moved(HubEvent event) {
        return switch (event) {
            case HubEvent.Moved(String _, long bytes) -> bytes;
            case HubEvent.Restarted(String _, long bytes, String _) -> -bytes;
            default -> 0;
        };
    }

    @Test
    void lostAnswerToACommitDoesNotCommitTwice() throws IOException {
        hub.inject(Fault.hangUp().times(1).target("/commit/"));
        Path source = folder.resolve("notes.md");
        Files.writeString(source, "notes");
        try (var client = client(options())) {
            client.upload(upload(TINY, source));
        }
        assertThat(repo.log("main")).hasSize(3).startsWith("Upload");
    }

    @Test
    void whatIsMissingOrForbiddenIsSaid() throws IOException {
        var reader = options().withToken(Optional.of(Token.of(FakeHub.READER)));
        hub.create("acme/gated").setGated(true).commit("add", Map.of("config.json", CONFIG));
        try (var client = client(reader)) {
            assertThatThrownBy(() -> client.snapshot(RepoRef.parse("acme/none").orElseThrow()))
                    .isInstanceOf(HubException.NotFound.class)
                    .hasMessageContaining("acme/none@main: missing, or private");
            assertThatThrownBy(() -> client.snapshot(TINY.at("v9")))
                    .isInstanceOf(HubException.NotFound.class)
                    .hasMessageContaining("no such revision");
            Snapshot gated = client.snapshot(RepoRef.parse("acme/gated").orElseThrow());
            assertThatThrownBy(() -> client.download(DownloadRequest.of(gated, FileFilter.ALL)))
                    .isInstanceOf(HubException.NotAllowed.class)
                    .extracting(e -> ((HubException) e).help())
                    .asString()
                    .contains(hub.endpoint() + "/acme/gated,");
            Snapshot tiny = client.snapshot(TINY);
            assertThatThrownBy(() ->
                            client.plan(
                                    DownloadRequest.of(
                                            tiny,
                                            FileFilter.names(List.of("config.json", "nope")))))
                    .isInstanceOf(HubException.NotFound.class)
                    .hasMessageContaining("no file matches 'nope'");
        }
    }

    @Test
    void noMessageHoldsTheToken() throws IOException {
        List<String> texts = new ArrayList<>();
        hub.inject(Fault.status(403));
        hub.inject(Fault.header("X-Error-Message", "you sent " + FakeHub.WRITER));
        try (var client = client(options())) {
            assertThatThrownBy(() -> client.snapshot(TINY))
                    .satisfies(e -> texts.add(e.getMessage() + ((HubException) e).help()));
        }
        assertThat(texts)
                .singleElement()
                .asString()
                .contains("you sent ***")
                .doesNotContain(FakeHub.WRITER);
        assertThat(options().toString()).doesNotContain(FakeHub.WRITER);
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
    void withoutLinksTheSnapshotHoldsFiles() throws IOException {
        try (var client = client(options().withSymlinks(false))) {
            Path root = client.download(DownloadRequest.of(client.snapshot(TINY), FileFilter.ALL));
            Path weights = root.resolve("sub/model.safetensors");
            assertThat(weights).hasBinaryContent(WEIGHTS);
            assertThat(Files.isSymbolicLink(weights)).isFalse();
        }
    }

    @Test
    void forcedDownloadReplacesDamage() throws IOException {
        try (var client = client(options())) {
            Snapshot snapshot = client.snapshot(TINY);
            Path root = client.download(DownloadRequest.of(snapshot, FileFilter.ALL));
            Files.write(root.resolve("config.json"), new byte[CONFIG.length]);
            client.download(new DownloadRequest(snapshot, FileFilter.ALL, Optional.empty(), true));
            assertThat(root.resolve("config.json")).hasBinaryContent(CONFIG);
        }
    }

    @Test
    void closingTheClientEndsADownload() throws Exception {
        hub.inject(Fault.drip(100_000).on(CDN));
        var failure = new AtomicReference<Throwable>();
        HubClient client = client(options());
        Snapshot snapshot = client.snapshot(TINY);
        Thread download =
                Thread.ofPlatform()
                        .start(() -> {
                            try {
                                client.download(DownloadRequest.of(snapshot, FileFilter.ALL));
                            } catch (Throwable e) {
                                failure.set(e);
                            }
                        });
        while (events.stream().noneMatch(e -> e instanceof HubEvent.Started)) {
            Thread.sleep(10);
        }
        client.close();
        assertThat(download.join(Duration.ofSeconds(10))).isTrue();
        assertThat(failure.get()).isInstanceOf(InterruptedIOException.class);
    }

    @Test
    void manyFilesAreAskedForInOneBatchAndEqualOnesSentOnce() throws IOException {
        Path source = Files.createDirectories(folder.resolve("many"));
        for (int i = 0; i < 30; i++) {
            Files.write(source.resolve(i + ".safetensors"), bytes(1000, i / 2));
        }
        hub.forgetServed();
        try (var client = client(options())) {
            Uploaded done = client.upload(upload(RepoRef.parse("acme/many").orElseThrow(), source));
            assertThat(done.files()).isEqualTo(30);
            assertThat(done.bytesSent()).isEqualTo(15_000);
        }
        assertThat(hub.served())
                .filteredOn(s -> s.call().target().contains("/objects/batch"))
                .hasSize(1);
        assertThat(hub.repo("acme/many").read("main", "29.safetensors")).isEqualTo(bytes(1000, 14));
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
