/**
 * Dense linear algebra on float64, just what compression needs: Gram matrices, products, Cholesky
 * factors, triangles of QR, symmetric eigenvalues, small SVD; and products in float32.
 *
 * <p><b>Contract.</b> A {@link graft.convert.linalg.Matrix} is row-major float64, a {@link
 * graft.convert.linalg.FloatMatrix} float32, in native memory, so that BLAS reads it without a
 * copy. A kernel is stateless and safe from any thread, on matrices that no other thread touches.
 * Two kernels may differ by rounding, never by more than the bounds that {@code KernelContract}
 * checks. One call uses one thread: callers run modules in parallel, not the inside of a product.
 *
 * <p><b>Depends on</b> the JDK, and in one class each on OpenBLAS and EJML. Knows nothing of
 * tensors or files.
 */
@NullMarked
package graft.convert.linalg;

import org.jspecify.annotations.NullMarked;
