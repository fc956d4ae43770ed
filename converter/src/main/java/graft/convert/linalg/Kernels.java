package graft.convert.linalg;

import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.function.Supplier;

/** Chooses the kernel of a run. */
public final class Kernels {
    /** What {@code --kernel} accepts. */
    public enum Choice {
        /** OpenBLAS where its library loads, EJML otherwise. */
        auto,
        /** OpenBLAS or an error. */
        openblas,
        /** Pure Java. */
        ejml
    }

    private Kernels() {}

    /**
     * @throws UnsatisfiedLinkError if OpenBLAS is forced and does not load; the message says why
     */
    public static Kernel select(Choice choice) {
        return switch (choice) {
            case ejml -> new EjmlKernel();
            case openblas -> openBlas();
            case auto -> {
                try {
                    yield openBlas();
                } catch (UnsatisfiedLinkError e) {
                    yield new EjmlKernel();
                }
            }
        };
    }

    /**
     * Begins to {@link #select} on a thread of its own: loading OpenBLAS takes a tenth of a second,
     * in which models can be opened.
     *
     * @return waits for the kernel; throws what {@code select} throws
     */
    public static Supplier<Kernel> selecting(Choice choice) {
        var kernel =
                CompletableFuture.supplyAsync(
                        () -> select(choice),
                        task -> Thread.ofPlatform().daemon().name("graft-kernel").start(task));
        return () -> {
            try {
                return kernel.join();
            } catch (CompletionException e) {
                if (e.getCause() instanceof UnsatisfiedLinkError error) {
                    throw error;
                }
                throw e;
            }
        };
    }

    private static Kernel openBlas() {
        try {
            return new OpenBlasKernel();
        } catch (LinkageError e) {
            var error = new UnsatisfiedLinkError("OpenBLAS does not load here: " + e.getMessage());
            error.initCause(e);
            throw error;
        }
    }
}
