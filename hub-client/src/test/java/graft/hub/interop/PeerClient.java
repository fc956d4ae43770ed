package graft.hub.interop;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;

/**
 * A client of another make: a script beside the tests and the library it runs on, installed once
 * into {@code target/peers}. Where its registry or its runtime cannot be reached, the test is
 * skipped and says why.
 */
final class PeerClient {
    static final String HUGGINGFACE_HUB = "huggingface_hub==2.4.0";
    static final String HUGGINGFACE_JS = "@huggingface/hub@2.17.5";

    private static final Path MODULE = Path.of(System.getProperty("graft.root"), "hub-client");
    private static final Path PEERS = MODULE.resolve("target/peers");

    private final List<String> command;

    private PeerClient(String... command) {
        this.command = List.of(command);
    }

    /** {@code GRAFT_PYTHON} if it has huggingface_hub, else an environment of our own. */
    static PeerClient python() throws IOException, InterruptedException {
        String script = MODULE.resolve("src/test/python/hub_client.py").toString();
        String configured = System.getenv("GRAFT_PYTHON");
        if (configured != null
                && run(10, List.of(configured, "-c", "import huggingface_hub")) == 0) {
            return new PeerClient(configured, script);
        }
        Path environment = PEERS.resolve("python");
        Path python = environment.resolve("bin/python");
        String base = configured == null ? "python3" : configured;
        install(
                environment,
                HUGGINGFACE_HUB,
                List.of(base, "-m", "venv", environment.toString()),
                List.of(
                        python.toString(),
                        "-m",
                        "pip",
                        "install",
                        "-q",
                        "--timeout",
                        "10",
                        "--retries",
                        "1",
                        "--disable-pip-version-check",
                        HUGGINGFACE_HUB));
        return new PeerClient(python.toString(), script);
    }

    /** Node with {@code @huggingface/hub}. */
    static PeerClient javaScript() throws IOException, InterruptedException {
        Path folder = PEERS.resolve("javascript");
        install(
                folder,
                HUGGINGFACE_JS,
                List.of(
                        "npm",
                        "install",
                        "--silent",
                        "--no-audit",
                        "--no-fund",
                        "--fetch-retries=1",
                        "--fetch-timeout=10000",
                        "--prefix",
                        folder.toString(),
                        HUGGINGFACE_JS));
        // Node looks for libraries beside the script.
        Path script = folder.resolve("hub_client.mjs");
        Files.copy(
                MODULE.resolve("src/test/javascript/hub_client.mjs"),
                script,
                StandardCopyOption.REPLACE_EXISTING);
        return new PeerClient("node", script.toString());
    }

    /** Installs once; a file that names the version is written last. */
    @SafeVarargs
    private static void install(Path folder, String version, List<String>... steps)
            throws IOException, InterruptedException {
        Path done = folder.resolve("installed");
        if (Files.exists(done) && Files.readString(done).equals(version)) {
            return;
        }
        Files.createDirectories(folder);
        for (List<String> step : steps) {
            boolean works = run(120, step) == 0;
            assumeTrue(works, "skipped: cannot install " + version + ": " + step.getFirst());
        }
        Files.writeString(done, version);
    }

    /** The exit code; -1 if it does not start or does not end. */
    private static int run(int seconds, List<String> step) throws InterruptedException {
        try {
            Process process =
                    new ProcessBuilder(step)
                            .redirectErrorStream(true)
                            .redirectOutput(ProcessBuilder.Redirect.DISCARD)
                            .start();
            if (process.waitFor(seconds, TimeUnit.SECONDS)) {
                return process.exitValue();
            }
            process.destroyForcibly();
            return -1;
        } catch (IOException e) {
            return -1;
        }
    }

    /** Runs the script with these variables; its failure is the test's, with all it printed. */
    JsonNode run(Map<String, String> environment, String... arguments)
            throws IOException, InterruptedException {
        List<String> line = new ArrayList<>(command);
        line.addAll(List.of(arguments));
        Path errors = Files.createTempFile("peer", ".err");
        try {
            var builder = new ProcessBuilder(line).redirectError(errors.toFile());
            builder.environment().keySet().removeIf(name -> name.startsWith("HF_"));
            builder.environment().putAll(environment);
            Process process = builder.start();
            process.getOutputStream().close();
            String printed =
                    new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
            assertThat(process.waitFor(1, TimeUnit.MINUTES)).as("ends in time").isTrue();
            assertThat(process.exitValue()).as(printed + Files.readString(errors)).isZero();
            return new ObjectMapper().readTree(printed);
        } finally {
            Files.delete(errors);
        }
    }
}
