package graft.formats.peft;

import graft.formats.tensor.TensorInfo;

import org.jspecify.annotations.Nullable;

import java.util.List;
import java.util.Objects;
import java.util.stream.Stream;

/**
 * A change of one layer that is not of low rank, or not as it is stored: it can be added to a base,
 * and that is all that Graft does with it. Formulas as in peft 0.21.
 */
public sealed interface DenseChange extends AdapterChange {
    /**
     * ΔW = B · (A ⊙ E) · α / (r₀ + 10⁻⁵).
     *
     * @param initialRank r₀, before pruning
     * @param e a factor per row of A, (rank, 1)
     */
    record AdaLora(
            String name, double alpha, double initialRank, TensorInfo a, TensorInfo b, TensorInfo e)
            implements DenseChange {
        @Override
        public List<TensorInfo> tensors() {
            return List.of(a, b, e);
        }
    }

    /** ΔW = (W1a·W1b) ⊙ (W2a·W2b) · scale, reshaped for a convolution. */
    record LoHa(
            String name,
            double scale,
            TensorInfo w1a,
            TensorInfo w1b,
            TensorInfo w2a,
            TensorInfo w2b)
            implements DenseChange {
        @Override
        public List<TensorInfo> tensors() {
            return List.of(w1a, w1b, w2a, w2b);
        }
    }

    /** ΔW = (W1 ⊗ W2) · scale, the Kronecker product; W2 may have a kernel's axes behind. */
    record LoKr(String name, double scale, Part w1, Part w2) implements DenseChange {
        /** A matrix, {@code first · second} if there is a second. */
        public record Part(TensorInfo first, @Nullable TensorInfo second) {}

        @Override
        public List<TensorInfo> tensors() {
            return Stream.of(w1.first(), w1.second(), w2.first(), w2.second())
                    .filter(Objects::nonNull)
                    .toList();
        }
    }

    /**
     * W ⊙ l: every output and its bias scaled, or every input.
     *
     * @param isFeedforward whether inputs are
     */
    record Ia3(String name, TensorInfo l, boolean isFeedforward) implements DenseChange {
        @Override
        public List<TensorInfo> tensors() {
            return List.of(l);
        }
    }

    /**
     * ΔW = (λ_b ⊙ B[:out]) · (λ_d ⊙ A[:, :in]), with A and B shared by all layers.
     *
     * @param lambdaB a factor per row of B
     * @param lambdaD a factor per row of A
     */
    record Vera(String name, TensorInfo lambdaB, TensorInfo lambdaD, TensorInfo a, TensorInfo b)
            implements DenseChange {
        @Override
        public List<TensorInfo> tensors() {
            return List.of(lambdaB, lambdaD, a, b);
        }
    }
}
