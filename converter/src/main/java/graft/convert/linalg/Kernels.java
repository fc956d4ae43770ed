package graft.convert.linalg;

import org.jspecify.annotations.Nullable;

import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;

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

    /** OpenBLAS on its way: a class that fails to load tells only the first who asks why. */
    private static volatile @Nullable CompletableFuture<Kernel> loading;

    private Kernels() {}

    /**
     * @throws UnsatisfiedLinkError if OpenBLAS is forced and does not load; the message says why
     */
    public static Kernel select(Choice choice) {
        return switch (choice) {
            case ejml -> new EjmlKernel();
            case openblas -> loaded();
            case auto -> {
                try {
                    yield loaded();
                } catch (UnsatisfiedLinkError e) {
                    yield new EjmlKernel();
                }
            }
        };
    }

    /**
     * Begins to load OpenBLAS on a thread of its own, for a {@link #select} that comes soon: it
     * takes a tenth of a second. What goes wrong is told by {@code select}.
     */
    public static void preload() {
        loading =
                CompletableFuture.supplyAsync(
                        Kernels::openBlas,
                        task -> Thread.ofPlatform().daemon().name("graft-preload").start(task));
    }

    private static Kernel loaded() {
        CompletableFuture<Kernel> begun = loading;
        if (begun == null) {
            return openBlas();
        }
        try {
            return begun.join();
        } catch (CompletionException e) {
            if (e.getCause() instanceof UnsatisfiedLinkError error) {
                throw error;
            }
            throw e;
        }
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
