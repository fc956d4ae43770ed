package graft.convert.linalg;

final class EjmlKernelTest extends KernelContract {
    @Override
    Kernel kernel() {
        return Kernels.select(Kernels.Choice.ejml);
    }
}
