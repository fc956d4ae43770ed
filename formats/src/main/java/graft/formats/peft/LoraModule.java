package graft.formats.peft;

import graft.formats.tensor.TensorInfo;

/**
 * The low-rank update of one layer, ΔW = scale · B·A.
 *
 * @param name module path in the base model, such as {@code model.layers.0.self_attn.q_proj}
 * @param out rows of B: features written
 * @param in columns of A: features read, times the kernel's extent for a convolution
 * @param rank rows of A = columns of B; a file may hold more than min(in, out)
 * @param scale α/r, or α/√r for rsLoRA (PEFT {@code LoraLayer.update_layer}); dimensionless
 * @param a tensor of A: [rank, in] or [rank, channels, kernel…]
 * @param b tensor of B: [out, rank], or with a 1 per kernel axis behind
 */
public record LoraModule(
        String name, int out, int in, int rank, double scale, TensorInfo a, TensorInfo b) {
    public LoraModule {
        if (rank < 1 || in < 1 || out < 1) {
            throw new IllegalArgumentException(
                    "%s: %d×%d of rank %d".formatted(name, out, in, rank));
        }
    }

    /** Bytes of both factors as stored. */
    public long bytes() {
        return a.bytes() + b.bytes();
    }
}
