package graft.runtime;

import ai.onnxruntime.OrtEnvironment;

import org.jspecify.annotations.Nullable;

import java.io.IOException;
import java.io.InterruptedIOException;
import java.nio.file.Files;
import java.nio.file.Path;

/**
 * Makes ONNX Runtime's environment, of which a process has one, on a thread with a large stack.
 *
 * <p>ONNX Runtime 1.29 takes the whole process down with a segmentation fault when its environment
 * is made and the command line is long, as it is with a long {@code -cp} or many files to work on.
 * Observed on Linux x64 under strace: it reads {@code /proc/self/cmdline} to its end, and the very
 * next event is the fault, for the calling thread's stack runs out: at 3,940 bytes with Java's
 * usual 1 MiB, at 1,951 with {@code -Xss512k}. With 256 bytes of stack for each byte of the command
 * line and one of 1 MiB to begin with it got past 100 kB, 400 kB and 1.5 MB; the double is given.
 * Only address space is reserved, and the thread ends at once.
 */
final class Environments {
    private static final long BASE_STACK = 1 << 20;
    private static final long STACK_PER_BYTE = 512;

    private Environments() {}

    /**
     * The process's environment, made now if it was not.
     *
     * @throws InterruptedIOException if the caller is interrupted
     */
    static OrtEnvironment get() throws IOException {
        var making = new Making();
        Thread thread = new Thread(null, making, "onnxruntime-environment", stack());
        thread.setDaemon(true);
        thread.start();
        try {
            thread.join();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new InterruptedIOException("interrupted");
        }
        return making.result();
    }

    private static long stack() throws IOException {
        Path commandLine = Path.of("/proc/self/cmdline");
        return Files.isReadable(commandLine)
                ? BASE_STACK + STACK_PER_BYTE * Files.readAllBytes(commandLine).length
                : BASE_STACK;
    }

    private static final class Making implements Runnable {
        private @Nullable OrtEnvironment made;
        private @Nullable Throwable failure;

        @Override
        public void run() {
            try {
                made = OrtEnvironment.getEnvironment();
            } catch (Throwable e) { // the caller's thread throws it
                failure = e;
            }
        }

        OrtEnvironment result() throws IOException {
            if (made != null) {
                return made;
            }
            if (failure instanceof Error error) {
                throw error;
            }
            throw new IOException("ONNX Runtime cannot be loaded: " + failure, failure);
        }
    }
}
