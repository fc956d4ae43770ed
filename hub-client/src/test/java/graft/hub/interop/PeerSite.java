package graft.hub.interop;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;

import graft.hub.HubClient;
import graft.hub.HubListener;
import graft.hub.HubOptions;
import graft.hub.testing.Call;
import graft.hub.testing.FakeHub;

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
import java.util.function.UnaryOperator;

/** A hub, a cache that everybody shares, and the variables that lead all clients to both. */
final class PeerSite implements AutoCloseable {
    private static final long SEED = 7;

    final FakeHub hub;
    private final Path folder;

    PeerSite(Path folder) throws IOException {
        this.folder = folder;
        // Small pages and parts, so that a small repository meets pagination and multipart.
        hub =
                FakeHub.start(
                        folder.resolve("hub"),
                        new FakeHub.Options().pageSize(3).multipart(300_000, 200_000));
    }

    /** Graft's client, with the same variables as the others. */
    HubClient graft(UnaryOperator<HubOptions> change) {
        HubOptions options = HubOptions.from(environment(FakeHub.WRITER));
        return new HubClient(change.apply(options.withSegmentBytes(100_000)), HubListener.NONE);
    }

    /** Writes files below a new local folder. */
    Path write(Map<String, byte[]> files) throws IOException {
        Path local = folder.resolve("local");
        for (var file : files.entrySet()) {
            Path path = local.resolve(file.getKey());
            Files.createDirectories(path.getParent() == null ? local : path.getParent());
            Files.write(path, file.getValue());
        }
        return local;
    }

    Path cache() {
        return folder.resolve("cache");
    }

    Map<String, String> environment(String token) {
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

    void assertNoTokenAtTheCdn() {
        assertThat(hub.served())
                .filteredOn(served -> served.call().origin() == Call.Origin.CDN)
                .isNotEmpty()
                .allSatisfy(served -> assertThat(served.call().header("Authorization")).isNull());
    }

    /**
     * A multipart file, small LFS and regular ones, awkward names, an empty one, two folders deep.
     */
    static Map<String, byte[]> files() {
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

    static Map<String, String> hashes(JsonNode files) {
        Map<String, String> hashes = new HashMap<>();
        files.properties().forEach(file -> hashes.put(file.getKey(), file.getValue().asText()));
        return hashes;
    }

    static Map<String, String> hashes(Map<String, byte[]> files) {
        Map<String, String> hashes = new HashMap<>();
        files.forEach((name, content) -> hashes.put(name, sha256(content)));
        return hashes;
    }

    private static String sha256(byte[] content) {
        try {
            return HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(content));
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every JDK has SHA-256", e);
        }
    }

    /** The sha256 of every file below a folder, links read through. */
    static Map<String, String> hashes(Path folder) throws IOException {
        Map<String, byte[]> files = new HashMap<>();
        try (var walk = Files.walk(folder)) {
            for (Path file : walk.filter(Files::isRegularFile).toList()) {
                files.put(folder.relativize(file).toString(), Files.readAllBytes(file));
            }
        }
        return hashes(files);
    }

    @Override
    public void close() {
        hub.close();
    }
}
