package graft.runtime;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/**
 * ONNX Runtime 1.29 takes the whole process down with a segmentation fault when its environment is
 * made and the command line is long, as it is with a long {@code -cp}.
 *
 * <p>Observed on Linux x64 under strace: it reads {@code /proc/self/cmdline} to its end, and the
 * very next event is the fault. With Java's usual stacks of 1 MiB the shortest that crashed had
 * 3,940 bytes, the longest that did not 3,962, in different runs; with {@code -Xss512k} 1,951
 * crashed, with {@code -Xss4m} 9,249 did not. So the stack of the calling thread seems to be what
 * runs out; where in ONNX Runtime is not known. The limit here is that of 1 MiB.
 */
final class CommandLineLimit {
    static final int LONGEST = 3_900;

    private CommandLineLimit() {}

    /**
     * Refuses to load ONNX Runtime into a process that it would kill.
     *
     * @throws IOException with what to do
     */
    static void check() throws IOException {
        Path commandLine = Path.of("/proc/self/cmdline");
        if (Files.isReadable(commandLine)) {
            check(Files.readAllBytes(commandLine).length);
        }
    }

    static void check(int bytes) throws IOException {
        if (bytes > LONGEST) {
            throw new IOException(
                    "the command line of this process has %d bytes, and ONNX Runtime 1.29 crashes above %d: pass the class path in the environment variable CLASSPATH, in a file (java @file) or in a jar's manifest"
                            .formatted(bytes, LONGEST));
        }
    }
}
