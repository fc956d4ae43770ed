/**
 * Fine-tune → adapter: the best low-rank factors of {@code fine-tune − base}, found from a few
 * passes over mapped tensors, with the exact error of what they miss.
 */
@NullMarked
package graft.convert.extract;

import org.jspecify.annotations.NullMarked;
