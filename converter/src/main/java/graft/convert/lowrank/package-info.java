/**
 * What every conversion to an adapter shares: spectra of low-rank updates, rules that choose ranks,
 * and the step that cuts modules to those ranks and writes them as one adapter.
 *
 * <p><b>Contract.</b> An update {@code ΔW = B·A} is never built. Its factors are read tile by tile,
 * summed in float64, and every result is exact to rounding: what is discarded, what storing rounds
 * away. State per module is O(r²); output does not depend on the number of threads.
 */
@NullMarked
package graft.convert.lowrank;

import org.jspecify.annotations.NullMarked;
