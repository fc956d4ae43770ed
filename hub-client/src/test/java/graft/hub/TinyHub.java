package graft.hub;

import graft.hub.testing.FakeHub;
import graft.hub.testing.FakeRepo;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.io.TempDir;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.CopyOnWriteArrayList;

/** A Hub on loopback with one small repository, and clients of it that do not wait. */
abstract class TinyHub {
    static final byte[] WEIGHTS = bytes(5_000_000, 7);
    static final byte[] CONFIG = "{\"model_type\": \"tiny\"}".getBytes(StandardCharsets.UTF_8);
    static final RepoRef TINY = RepoRef.parse("acme/tiny").orElseThrow();

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

    List<Path> leftovers() throws IOException {
        try (var files = Files.walk(cache())) {
            return files.filter(f -> f.toString().matches(".*(incomplete|tmp)")).toList();
        }
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
}
