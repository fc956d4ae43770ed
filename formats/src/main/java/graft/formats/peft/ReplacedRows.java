package graft.formats.peft;

import graft.formats.tensor.TensorInfo;

import java.util.List;

/**
 * Rows of an embedding that were trained: they replace the base's, despite peft's name for them,
 * {@code trainable_tokens_delta}.
 *
 * @param name module path of the embedding
 * @param tokens which rows, in the order of {@code rows}
 * @param rows (tokens, features)
 */
public record ReplacedRows(String name, List<Integer> tokens, TensorInfo rows)
        implements AdapterChange {
    public ReplacedRows {
        tokens = List.copyOf(tokens);
        if (rows.shape().rank() != 2 || rows.shape().extent(0) != tokens.size()) {
            throw new IllegalArgumentException(
                    "%d tokens, %s".formatted(tokens.size(), rows.shape()));
        }
    }

    @Override
    public List<TensorInfo> tensors() {
        return List.of(rows);
    }
}
