package graft.convert.testing;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;

/**
 * The reference libraries, where Python has them: {@code GRAFT_PYTHON}, or {@code python3}. A test
 * that needs them is skipped elsewhere, and says what was missing.
 */
public final class Python {
    private static final Path SCRIPTS =
            Path.of(System.getProperty("graft.root"), "converter/src/test/python");

    private final String interpreter;

    private Python(String interpreter) {
        this.interpreter = interpreter;
    }

    /** An interpreter with these modules; skips the test if there is none. */
    public static Python with(String... modules) throws IOException, InterruptedException {
        String configured = System.getenv("GRAFT_PYTHON");
        String interpreter = configured == null ? "python3" : configured;
        String missing = probe(interpreter, modules);
        assumeTrue(missing.isEmpty(), "skipped: " + missing);
        return new Python(interpreter);
    }

    private static String probe(String interpreter, String... modules) throws InterruptedException {
        String find =
                "import importlib.util as u, sys; print(' '.join(m for m in sys.argv[1:] if not u.find_spec(m)))";
        List<String> command = new ArrayList<>(List.of(interpreter, "-c", find));
        command.addAll(List.of(modules));
        try {
            Process process = new ProcessBuilder(command).start();
            String missing =
                    new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8)
                            .strip();
            boolean ended = process.waitFor() == 0;
            if (!ended) {
                return interpreter + " does not run";
            }
            return missing.isEmpty() ? "" : interpreter + " lacks " + missing;
        } catch (IOException e) {
            return "no " + interpreter;
        }
    }

    /** Runs one of the scripts beside the tests; its failure is the test's, with all it printed. */
    public void run(String script, String first, List<String> arguments)
            throws IOException, InterruptedException {
        List<String> command =
                new ArrayList<>(List.of(interpreter, SCRIPTS.resolve(script).toString(), first));
        command.addAll(arguments);
        Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
        String printed =
                new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertThat(process.waitFor(5, TimeUnit.MINUTES)).as("ends in time").isTrue();
        assertThat(process.exitValue()).as(printed).isZero();
    }
}
