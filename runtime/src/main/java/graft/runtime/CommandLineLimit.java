package graft.runtime;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/**
 * ONNX Runtime 1.29 reads {@code /proc/self/cmdline} when its environment is made, and takes the
 * whole process down with a segmentation fault where that is longer than about 3,900 bytes, as it
 * is with a long {@code -cp}. Seen on Linux x64 at 3,940 bytes, not at 3,933.
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
