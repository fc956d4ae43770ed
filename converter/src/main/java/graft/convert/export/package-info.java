/**
 * ONNX graphs with a model's weights put in place of the base's.
 *
 * <p>First the graph's initializers are bound to the base checkpoint's tensors, by content; then
 * what a model changes is written into the graph: densely ({@code merged}), as nodes that compute
 * changed weights from base data shared by all tasks ({@code shared}), or as adapters that one
 * graph has slots for ({@code slots}). ONNX Runtime folds the nodes of a shared graph when it loads
 * it, so it runs as fast as the dense one. Measurements: {@code docs/benchmarks.md}.
 */
@NullMarked
package graft.convert.export;

import org.jspecify.annotations.NullMarked;
