package graft.formats.peft;

import graft.formats.tensor.TensorInfo;

import java.util.List;

/**
 * One thing that an adapter does to its base. What it computes is said in each kind; computing it
 * is not done here.
 */
public sealed interface AdapterChange
        permits LoraModule, LoraParameter, DenseChange, ReplacedTensor, ReplacedRows {
    /**
     * What is changed, as the adapter names it without wrappers: a module's path, or for {@link
     * ReplacedTensor} a tensor's name. {@link PeftAdapter#locate} tells where that is in a base.
     */
    String name();

    /** Tensors of the adapter that it is made of, always in the same order. */
    List<TensorInfo> tensors();
}
