/**
 * Adapter → adapter of lower rank (PERU-LoRA, arXiv 2310.01886): the best rank-q approximation of
 * each module's {@code s·B·A}, found without building the product.
 */
@NullMarked
package graft.convert.reduce;

import org.jspecify.annotations.NullMarked;
