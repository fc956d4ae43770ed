package graft.convert.linalg;

/** Runs wherever the build ships a library: a platform without one must not choose OpenBLAS. */
final class OpenBlasKernelTest extends KernelContract {
    @Override
    Kernel kernel() {
        return Kernels.select(Kernels.Choice.openblas);
    }
}
