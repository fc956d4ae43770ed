/**
 * ONNX graphs with a model's weights put in place of the base's.
 *
 * <p>First the graph's initializers are bound to the base checkpoint's tensors, by content; then
 * what a model changes is written into the graph: densely ({@code merged}), or as absolute values
 * that ScatterND puts over base data shared by all tasks ({@code shared}). ONNX Runtime folds the
 * scatter when it loads the graph, so it runs as fast as the dense one. Measurements: {@code
 * docs/benchmarks.md}.
 */
@NullMarked
package graft.convert.export;

import org.jspecify.annotations.NullMarked;
