/**
 * Fine-tunes → one merged model θ*, by task arithmetic (arXiv 2212.04089), the merge of PERU-FFT.
 */
@NullMarked
package graft.convert.merge;

import org.jspecify.annotations.NullMarked;
