/**
 * The sparse delta: a file that turns one named base into one model. {@code docs/sparse-delta.md}
 * is the specification.
 *
 * <p>A delta is an ordinary safetensors file. Tensors stored whole have their own names. All others
 * share one blob, {@code graft.sparse}, and a directory that says per tensor how its kept positions
 * and values are coded there. Readers check every count, offset and index.
 */
@NullMarked
package graft.formats.delta;

import org.jspecify.annotations.NullMarked;
