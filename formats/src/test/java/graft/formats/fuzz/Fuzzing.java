package graft.formats.fuzz;

import graft.formats.FormatException;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.concurrent.TimeUnit;

/**
 * What every fuzz target shares. A target is a class with {@code fuzzerTestOneInput(byte[])}, the
 * entry point that Jazzer looks for; nothing of Jazzer is needed to compile or replay it.
 */
public final class Fuzzing {
    private static final long MOST_NANOS = TimeUnit.SECONDS.toNanos(1);

    private Fuzzing() {}

    /** Reads one input. */
    @FunctionalInterface
    public interface Reading {
        void read() throws IOException;
    }

    /**
     * A reader may refuse an input with a {@link FormatException}, or miss a file that the input
     * names; it may do nothing else, and it takes less than a second of CPU time either way. What
     * takes longer is read again: the first time may have loaded classes.
     */
    public static void check(Reading reading) {
        if (cpuNanos(reading) > MOST_NANOS) {
            long again = cpuNanos(reading);
            if (again > MOST_NANOS) {
                throw new AssertionError(
                        "took " + TimeUnit.NANOSECONDS.toMillis(again) + " ms of CPU");
            }
        }
    }

    private static long cpuNanos(Reading reading) {
        var threads = ManagementFactory.getThreadMXBean();
        long start = threads.getCurrentThreadCpuTime();
        try {
            reading.read();
        } catch (FormatException e) {
            if (e.getMessage().contains("\n") || e.help().isEmpty()) {
                throw new AssertionError("not one line with a remedy", e);
            }
        } catch (NoSuchFileException e) {
            // the input names a file that is not there
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return threads.getCurrentThreadCpuTime() - start;
    }

    /** A file with these bytes, for readers that take a path; the same one every time. */
    public static Path file(String name, byte[] bytes) {
        try {
            return Files.write(Folder.PATH.resolve(name), bytes);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static final class Folder {
        static final Path PATH = create();

        private static Path create() {
            try {
                Path folder = Files.createTempDirectory("graft-fuzz");
                folder.toFile().deleteOnExit();
                return folder;
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        }
    }
}
