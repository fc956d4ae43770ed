/**
 * Tensors as bytes: element types, shapes, where tensors come from and where they go.
 *
 * <p><b>Contract.</b> A tensor is a {@link java.lang.foreign.MemorySegment} of little-endian
 * elements in row-major order, with no promise of alignment. Nothing here copies a whole tensor to
 * the heap; {@link graft.formats.tensor.Elements} moves tiles of it.
 */
@NullMarked
package graft.formats.tensor;

import org.jspecify.annotations.NullMarked;
