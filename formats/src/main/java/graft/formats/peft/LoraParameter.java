package graft.formats.peft;

import graft.formats.tensor.TensorInfo;

import java.util.List;

/**
 * The low-rank updates of a parameter that has no layer of its own ({@code target_parameters}): a
 * stack W of E experts, (E, d₁, d₂), or a plain matrix (E = 1).
 *
 * <p>A is (r·E, ·), expert by expert; B is (·, r·E) with the expert counting fastest. Expert e gets
 * scale · B[:, :, e] · A[e] if A reads d₂ and B writes d₁ (peft from 0.19 on), and the transpose of
 * that if A reads d₁ (before, and for modules flagged {@code is_transposed}).
 *
 * @param name path of the module that owns the parameter
 * @param depth how many other parameters of that module are adapted further out: peft nests them in
 *     the order in which the model registers them, the first one innermost
 * @param candidates parameters that the configuration adapts in this module; which one this is, the
 *     shapes of the base tell
 * @param a tensor of A
 * @param b tensor of B
 */
public record LoraParameter(
        String name, int depth, List<Candidate> candidates, TensorInfo a, TensorInfo b)
        implements AdapterChange {
    /**
     * @param tensor path of the parameter in the base model
     * @param rank r, by the configuration
     * @param scale α/r or α/√r
     */
    public record Candidate(String tensor, int rank, double scale) {}

    public LoraParameter {
        candidates = List.copyOf(candidates);
    }

    /** Rows of A: r·E. */
    public long rows() {
        return a.shape().extent(0);
    }

    @Override
    public List<TensorInfo> tensors() {
        return List.of(a, b);
    }
}
