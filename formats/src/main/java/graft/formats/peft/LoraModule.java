package graft.formats.peft;

import graft.formats.tensor.DType;
import graft.formats.tensor.Shape;
import graft.formats.tensor.TensorInfo;

import org.jspecify.annotations.Nullable;

import java.util.ArrayList;
import java.util.List;

/**
 * The low-rank update of one layer, ΔW = scale · B·A.
 *
 * <p>A linear layer's weight is (out, in) and gets ΔW, or ΔWᵀ if it is stored (in, out) as GPT-2's
 * are; a convolution's gets ΔW reshaped; an embedding's is (in, out), in being the vocabulary, and
 * gets ΔWᵀ. With a magnitude m (DoRA) the new weight is m ⊙ (W + ΔW) / ‖W + ΔW‖ per output.
 *
 * @param name module path in the base model, such as {@code model.layers.0.self_attn.q_proj}
 * @param layer kind of layer
 * @param out rows of B: features written
 * @param in columns of A: features read, times the kernel's extent for a convolution
 * @param rank rows of A = columns of B; a file may hold more than min(in, out)
 * @param scale α/r, or α/√r for rsLoRA (PEFT {@code LoraLayer.update_layer}); dimensionless
 * @param a tensor of A: [rank, in] or [rank, channels, kernel…]
 * @param b tensor of B: [out, rank], or with a 1 per kernel axis behind
 * @param magnitude DoRA's magnitudes, {@code out} of them, or null
 * @param bias bias of B ({@code lora_bias}): the layer's bias gets scale · bias; or null
 */
public record LoraModule(
        String name,
        Layer layer,
        int out,
        int in,
        int rank,
        double scale,
        TensorInfo a,
        TensorInfo b,
        @Nullable TensorInfo magnitude,
        @Nullable TensorInfo bias)
        implements AdapterChange {
    /** What a layer does with its weight, and so how that is laid out. */
    public enum Layer {
        LINEAR,
        CONVOLUTION,
        EMBEDDING
    }

    public LoraModule {
        if (rank < 1 || in < 1 || out < 1) {
            throw new IllegalArgumentException(
                    "%s: %d×%d of rank %d".formatted(name, out, in, rank));
        }
    }

    /** Whether the module does nothing but add ΔW to a weight. */
    public boolean isPlain() {
        return magnitude == null && bias == null;
    }

    /** The same module with factors of another rank and type, the scale inside them. */
    public LoraModule cut(int newRank, DType type) {
        long[] ofA = a.shape().toArray();
        long[] ofB = b.shape().toArray();
        ofA[0] = newRank;
        ofB[1] = newRank;
        return new LoraModule(
                name,
                layer,
                out,
                in,
                newRank,
                1,
                new TensorInfo(a.name(), type, Shape.of(ofA)),
                new TensorInfo(b.name(), type, Shape.of(ofB)),
                magnitude,
                bias);
    }

    /** The same module with its factors under other names. */
    public LoraModule named(String ofA, String ofB) {
        return new LoraModule(
                name,
                layer,
                out,
                in,
                rank,
                scale,
                new TensorInfo(ofA, a.dtype(), a.shape()),
                new TensorInfo(ofB, b.dtype(), b.shape()),
                magnitude,
                bias);
    }

    /** Bytes of both factors as stored. */
    public long bytes() {
        return a.bytes() + b.bytes();
    }

    /** A, B, and what else there is. */
    @Override
    public List<TensorInfo> tensors() {
        List<TensorInfo> all = new ArrayList<>(List.of(a, b));
        if (magnitude != null) {
            all.add(magnitude);
        }
        if (bias != null) {
            all.add(bias);
        }
        return List.copyOf(all);
    }
}
