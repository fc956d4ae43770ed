package graft.convert.cli;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import java.nio.file.Path;
import java.util.concurrent.TimeUnit;

/** The launcher makes its cache without a word: that it can is seen here. */
class RehearsalIT {
    @TempDir Path folder;

    @Test
    void jvmMakesACacheOfIt() throws Exception {
        Path cache = folder.resolve("graft.aot");
        Process process =
                new ProcessBuilder(
                                Path.of(System.getProperty("java.home"), "bin/java").toString(),
                                "-XX:AOTCacheOutput=" + cache,
                                "--sun-misc-unsafe-memory-access=allow",
                                "-cp",
                                Path.of("target/graft.jar").toString(),
                                "graft.convert.cli.Rehearsal",
                                Path.of("../testdata").toString(),
                                folder.toString())
                        .redirectErrorStream(true)
                        .redirectOutput(folder.resolve("log").toFile())
                        .start();
        assertThat(process.waitFor(5, TimeUnit.MINUTES)).isTrue();
        assertThat(process.exitValue()).isZero();
        assertThat(cache).isNotEmptyFile();
        assertThat(folder.resolve("unpacked")).isNotEmptyDirectory();
        assertThat(folder.resolve("hub")).isNotEmptyDirectory();
    }
}
