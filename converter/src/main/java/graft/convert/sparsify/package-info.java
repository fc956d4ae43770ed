/**
 * Fine-tune → sparse delta (PERU-FFT, arXiv 2310.01886): of the residual {@code u = θ_t − base}
 * keep the entries of largest magnitude, and apply such a delta again.
 *
 * <p>The base is θ₀ itself or a merged model θ*. Everything streams: pass over pass over the two
 * mapped files, nothing of the size of a tensor on the heap.
 */
@NullMarked
package graft.convert.sparsify;

import org.jspecify.annotations.NullMarked;
