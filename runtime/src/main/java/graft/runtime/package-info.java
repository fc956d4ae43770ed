/**
 * Runs what {@code graft export} wrote: many tasks over one base, in ONNX Runtime.
 *
 * <p><b>Depends on</b> ONNX Runtime's Java interface alone, so that a server that runs exported
 * models carries nothing of what made them. {@code docs/runtime.md} has an example.
 */
@NullMarked
package graft.runtime;

import org.jspecify.annotations.NullMarked;
