package graft.convert.cli;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;

/** The real launcher as a user runs it, in a working folder of its own. */
final class GraftProcess {
    private static final long LIMIT_MINUTES = 10;

    /** What a run left behind. */
    record Result(int code, String out, String err) {
        /** The error's first line, without what the JVM may print before it. */
        String errorLine() {
            return err.lines().filter(line -> line.startsWith("graft: ")).findFirst().orElse("");
        }

        String helpLine() {
            return err.lines().filter(line -> line.startsWith("help: ")).findFirst().orElse("");
        }
    }

    private final Path folder;
    private final Map<String, String> environment;

    GraftProcess(Path folder) {
        this(folder, Map.of());
    }

    GraftProcess(Path folder, Map<String, String> environment) {
        this.folder = folder;
        this.environment = environment;
    }

    static Path root() {
        return Path.of(System.getProperty("graft.root"));
    }

    static Path testdata(String relative) {
        return Path.of(System.getProperty("graft.testdata")).resolve(relative);
    }

    Result run(Object... arguments) throws IOException, InterruptedException {
        List<String> command = new ArrayList<>();
        command.add(root().resolve("graft").toString());
        for (Object argument : arguments) {
            command.add(argument.toString());
        }
        Path out = Files.createTempFile("graft", ".out");
        Path err = Files.createTempFile("graft", ".err");
        var builder =
                new ProcessBuilder(command)
                        .directory(folder.toFile())
                        .redirectOutput(out.toFile())
                        .redirectError(err.toFile());
        builder.environment().putAll(environment);
        Process process = builder.start();
        process.getOutputStream().close();
        if (!process.waitFor(LIMIT_MINUTES, TimeUnit.MINUTES)) {
            process.destroyForcibly();
            throw new IOException(
                    "still running after %d minutes: %s".formatted(LIMIT_MINUTES, command));
        }
        var result = new Result(process.exitValue(), read(out), read(err));
        Files.delete(out);
        Files.delete(err);
        return result;
    }

    private static String read(Path file) throws IOException {
        return Files.readString(file, StandardCharsets.UTF_8);
    }
}
