package graft.hub;

import static org.assertj.core.api.Assertions.assertThat;

import graft.hub.testing.Call;
import graft.hub.testing.FakeHub;
import graft.hub.testing.Fault;
import graft.hub.testing.Served;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.HexFormat;
import java.util.List;
import java.util.Random;

/**
 * A download whose process is killed (SIGKILL) at random points, and started again each time. The
 * long form, a gigabyte and ten kills in segments of the default length:
 *
 * <pre>
 * mvn -q -pl hub-client -Dtest=KilledDownloadTest -Dgraft.kill.megabytes=1000 \
 *     -Dgraft.kill.times=10 -Dgraft.kill.segment=67108864 test
 * </pre>
 */
class KilledDownloadTest {
    private static final long FILE_BYTES =
            Integer.getInteger("graft.kill.megabytes", 40) * 1_000_000L;
    private static final int KILLS = Integer.getInteger("graft.kill.times", 3);
    private static final int SEGMENT_BYTES = Integer.getInteger("graft.kill.segment", 10_000_000);

    /** What a run found on the disk, and what it had moved when it ended. */
    record Run(long found, long moved) {
        long present() {
            return found + moved;
        }
    }

    @TempDir Path folder;

    @Test
    void goesOnWithEveryByteThatWasThere() throws Exception {
        Path source = Files.createDirectories(folder.resolve("source"));
        String sha256 = write(source.resolve("model.safetensors"));
        long seed = System.nanoTime();
        System.out.printf("KilledDownloadTest: seed %d%n", seed);
        try (FakeHub hub = FakeHub.start(folder.resolve("hub"))) {
            hub.create("acme/large").commitFolder("add", source);
            // Some seconds for the whole file, so that a kill meets a download under way.
            hub.inject(Fault.drip(FILE_BYTES / 20).on(Call.Origin.CDN));
            long present = 0;
            for (long point :
                    new Random(seed).longs(KILLS, 1, FILE_BYTES * 9 / 10).sorted().toArray()) {
                Run run = download(hub, point);
                assertThat(run.found)
                        .as("what the killed run wrote")
                        .isGreaterThanOrEqualTo(present);
                assertThat(finalNames()).isEmpty();
                present = run.present();
                System.out.printf("killed after %d bytes of %d%n", present, FILE_BYTES);
            }
            Run last = download(hub, Long.MAX_VALUE);

            assertThat(last.found).isGreaterThanOrEqualTo(present);
            assertThat(last.present()).isEqualTo(FILE_BYTES);
            assertThat(finalNames()).hasSize(1);
            assertThat(sha256(finalNames().getFirst())).isEqualTo(sha256);
            long again =
                    hub.served().stream()
                                    .filter(served -> served.call().origin() == Call.Origin.CDN)
                                    .mapToLong(Served::bodyBytes)
                                    .sum()
                            - FILE_BYTES;
            System.out.printf("sent twice: %d bytes in all, over %d kills%n", again, KILLS);
            assertThat(again / KILLS).as("a kill costs").isLessThan(SEGMENT_BYTES);
        }
    }

    /** Runs until the end, or until so many bytes are there; then no signal can be caught. */
    private Run download(FakeHub hub, long killAt) throws IOException, InterruptedException {
        var builder =
                new ProcessBuilder(
                        Path.of(System.getProperty("java.home"), "bin/java").toString(),
                        "-Xmx128m",
                        "-cp",
                        System.getProperty("java.class.path"),
                        DownloadMain.class.getName(),
                        "acme/large",
                        "model.safetensors",
                        Integer.toString(SEGMENT_BYTES));
        builder.environment().put("HF_ENDPOINT", hub.endpoint().toString());
        builder.environment().put("HF_HUB_CACHE", folder.resolve("cache").toString());
        builder.redirectError(ProcessBuilder.Redirect.INHERIT);
        Process process = builder.start();
        var run = new Run(0, 0);
        try (var lines =
                new BufferedReader(
                        new InputStreamReader(process.getInputStream(), StandardCharsets.UTF_8))) {
            for (String line = lines.readLine(); line != null; line = lines.readLine()) {
                String[] numbers = line.split(" ", -1);
                run = new Run(Long.parseLong(numbers[0]), Long.parseLong(numbers[1]));
                if (run.present() >= killAt) {
                    process.toHandle().destroyForcibly(); // unlike Process, leaves the pipe open
                }
            }
        }
        int code = process.waitFor();
        assertThat(code == 0).as("ends by itself, with %d", code).isEqualTo(killAt > FILE_BYTES);
        return run;
    }

    /** What a reader of the cache takes for a whole file. */
    private List<Path> finalNames() throws IOException {
        try (var walk = Files.walk(folder.resolve("cache/models--acme--large"))) {
            return walk.filter(path -> !Files.isDirectory(path))
                    .filter(path -> path.toString().matches(".*/(blobs|snapshots)/.*"))
                    .filter(path -> !path.toString().endsWith(".incomplete"))
                    .filter(path -> !Files.isSymbolicLink(path))
                    .toList();
        }
    }

    private static String write(Path file) throws Exception {
        MessageDigest digest = MessageDigest.getInstance("SHA-256");
        var random = new Random(3);
        byte[] block = new byte[1_000_000];
        try (var out = Files.newOutputStream(file)) {
            for (long at = 0; at < FILE_BYTES; at += block.length) {
                random.nextBytes(block);
                digest.update(block);
                out.write(block);
            }
        }
        return HexFormat.of().formatHex(digest.digest());
    }

    private static String sha256(Path file) throws Exception {
        MessageDigest digest = MessageDigest.getInstance("SHA-256");
        byte[] block = new byte[1_000_000];
        try (var in = Files.newInputStream(file)) {
            for (int n = in.read(block); n >= 0; n = in.read(block)) {
                digest.update(block, 0, n);
            }
        }
        return HexFormat.of().formatHex(digest.digest());
    }
}
