/**
 * Base + adapter → merged checkpoint, as peft's {@code merge_and_unload} makes it.
 *
 * <p><b>Arithmetic.</b> Factors are widened to float32. Every element of B·A is a chain of fused
 * multiply-adds over the rank, in order, from zero; it is scaled, added to the base's element, and
 * rounded once to the base's type. That is what torch's kernels compute on a processor with FMA, so
 * the result equals peft's bit for bit wherever peft itself rounds once, up to rank 192; above that
 * MKL splits the sum, and a few elements in a hundred thousand fall to the other side. {@link
 * graft.convert.apply.Rounding#PEFT} also rounds where peft rounds on the way. DoRA's norms are
 * summed in float64, which no version of torch does: equal within rounding.
 *
 * <p><b>Memory.</b> A tensor is made tile by tile; a worker holds one tile of the base, one of ΔW
 * and blocks of the factors, a few megabytes whatever the model.
 */
@NullMarked
package graft.convert.apply;

import org.jspecify.annotations.NullMarked;
