package graft.hub;

import static graft.hub.testing.Call.Origin.CDN;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import graft.hub.testing.Fault;

import org.junit.jupiter.api.Test;

import java.io.IOException;
import java.io.InterruptedIOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicReference;

/** Downloads from a Hub on loopback: what arrives, what is asked. */
class DownloadTest extends TinyHub {
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
}
