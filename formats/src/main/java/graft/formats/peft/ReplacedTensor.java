package graft.formats.peft;

import graft.formats.tensor.TensorInfo;

import java.util.List;

/**
 * A tensor that the adapter holds whole: a head, a trained bias or norm, an embedding with more
 * rows than the base's. It takes the place of the base's before anything else is done to that.
 *
 * @param name tensor in the base model, such as {@code classifier.weight}; the base may lack it
 * @param tensor what takes its place
 */
public record ReplacedTensor(String name, TensorInfo tensor) implements AdapterChange {
    @Override
    public List<TensorInfo> tensors() {
        return List.of(tensor);
    }
}
