package graft.convert.linalg;

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
     * Begins to load OpenBLAS on a thread of its own, for a {@link #select} that comes soon: it
     * takes a tenth of a second. What goes wrong is told by {@code select}.
     */
    public static void preload() {
        Thread.ofPlatform()
                .daemon()
                .name("graft-preload")
                .start(() -> {
                    try {
                        select(Choice.auto);
                    } catch (LinkageError e) {
                        // whoever needs it will meet it again
                    }
                });
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
