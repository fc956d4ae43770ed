package graft.hub;

import static org.assertj.core.api.Assertions.assertThat;

import graft.hub.http.Pacer;
import graft.hub.testing.FakeHub;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.UnaryOperator;

/**
 * A {@link FakeHub} and a cache in one folder, and what may lie where. The cache is far down, so
 * that a path which climbs out of it still ends inside the folder, where {@link #strays} sees it.
 */
final class HubSite implements AutoCloseable {
    static final int SEGMENT_BYTES = 100_000;

    private static final long SEED = 11;

    final Path root;
    final Path cache;
    final FakeHub hub;

    HubSite(Path root) throws IOException {
        this(root, new FakeHub.Options());
    }

    HubSite(Path root, FakeHub.Options options) throws IOException {
        this.root = root;
        cache = root.resolve("a/b/c/d/e/f/g/h/cache");
        hub = FakeHub.start(root.resolve("hub"), options);
    }

    /** A client that waits for nothing: pauses cost no time, timeouts are short. */
    HubClient client() {
        return client(UnaryOperator.identity());
    }

    HubClient client(UnaryOperator<HubOptions> change) {
        return new HubClient(change.apply(options()), _ -> {}, new NoWaiting());
    }

    Snapshot snapshot(HubClient client) throws IOException {
        return client.snapshot(RepoRef.parse("acme/tiny").orElseThrow());
    }

    /** Everything of {@code acme/tiny}, into the cache. */
    Path download(HubClient client) throws IOException {
        return client.download(DownloadRequest.of(snapshot(client), FileFilter.ALL));
    }

    /** Begins to download a whole snapshot on a thread of its own. */
    static Thread begin(HubClient client, Snapshot snapshot, AtomicReference<Throwable> failure) {
        return Thread.ofPlatform()
                .start(() -> {
                    try {
                        client.download(DownloadRequest.of(snapshot, FileFilter.ALL));
                    } catch (Throwable e) {
                        failure.set(e);
                    }
                });
    }

    HubOptions options() {
        return HubOptions.from(
                        Map.of(
                                "HF_ENDPOINT", hub.endpoint().toString(),
                                "HF_HUB_CACHE", cache.toString(),
                                "HF_TOKEN", FakeHub.WRITER))
                .withTimeouts(Duration.ofSeconds(2), Duration.ofMillis(700), Duration.ofMinutes(1))
                .withSegmentBytes(SEGMENT_BYTES)
                .withMaxWorkers(4);
    }

    /** Random bytes, the same in every run. */
    static byte[] bytes(int n) {
        byte[] bytes = new byte[n];
        new Random(SEED + n).nextBytes(bytes);
        return bytes;
    }

    /** Text of so many bytes, which the Hub keeps in git. */
    static byte[] text(int n) {
        return "0123456789 abcdefghijklmnopqrstuvwxyz\n"
                .repeat(n / 38 + 1)
                .substring(0, n)
                .getBytes(StandardCharsets.UTF_8);
    }

    /** Everything in the cache by its path there, with its sha256; links are read through. */
    SortedMap<String, String> cached() throws IOException {
        SortedMap<String, String> found = new TreeMap<>();
        if (Files.isDirectory(cache)) {
            try (var walk = Files.walk(cache)) {
                for (Path file : walk.filter(Files::isRegularFile).toList()) {
                    found.put(cache.relativize(file).toString(), sha256(Files.readAllBytes(file)));
                }
            }
        }
        return found;
    }

    /** What a reader of the cache takes for whole: snapshots, and blobs under their final names. */
    SortedMap<String, String> finalNames() throws IOException {
        SortedMap<String, String> found = cached();
        found.keySet()
                .removeIf(path ->
                        path.endsWith(".incomplete")
                                || !path.matches("models--[^/]*/(blobs|snapshots)/.*"));
        return found;
    }

    /** Fails if anything lies outside the cache and the hub. */
    void assertNoStrays() throws IOException {
        List<Path> strays = new ArrayList<>();
        try (var walk = Files.walk(root)) {
            for (Path path : walk.toList()) {
                boolean ours = path.startsWith(cache) || path.startsWith(root.resolve("hub"));
                boolean above = cache.startsWith(path);
                if (!ours && !above) {
                    strays.add(path);
                }
                if (Files.isSymbolicLink(path)) {
                    Path target = path.resolveSibling(Files.readSymbolicLink(path)).normalize();
                    assertThat(target).as("link at " + path).startsWith(cache);
                }
            }
        }
        assertThat(strays).as("outside the cache").isEmpty();
        assertThat(Files.exists(root.resolve("hub"), LinkOption.NOFOLLOW_LINKS)).isTrue();
    }

    static String sha256(byte[] content) {
        try {
            return HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(content));
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every JDK has SHA-256", e);
        }
    }

    @Override
    public void close() {
        hub.close();
    }

    /** Pauses pass at once, but count for deadlines. */
    private static final class NoWaiting implements Pacer {
        private long slept;

        @Override
        public synchronized long nanoTime() {
            return System.nanoTime() + slept;
        }

        @Override
        public synchronized void sleep(Duration duration) {
            slept += duration.toNanos();
        }

        @Override
        public double random() {
            return 0.5;
        }
    }
}
