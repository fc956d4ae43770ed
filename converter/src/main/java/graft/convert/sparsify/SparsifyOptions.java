package graft.convert.sparsify;

import java.util.Map;

/**
 * What of the residual is kept, and how.
 *
 * @param density share of entries kept, in (0, 1]
 * @param scope over what the share is taken
 * @param values what is stored per kept entry
 * @param gain whether the residual gets its length back
 */
public record SparsifyOptions(double density, Scope scope, Values values, Gain gain) {
    /** Over what the largest entries are chosen. */
    public enum Scope {
        /** All shared tensors together: exactly ⌊m·N + ½⌋ entries. */
        global,
        /** Each tensor for itself: max(1, ⌊m·n + ½⌋) entries. */
        tensor
    }

    /** What is stored per kept entry. */
    public enum Values {
        /** The fine-tune's own value, bit for bit. */
        exact,
        /** The sign of the residual; one scale per tensor. */
        sign
    }

    /** What a sign is worth. */
    public enum Gain {
        /** The mean kept magnitude: least squares at the kept entries. */
        none,
        /**
         * ‖u‖²/Σ_kept|u|: then ⟨û, u⟩ = ‖u‖², the sparse residual reaches as far along u as u
         * itself. Plain pruning falls short and leaves the model too close to the base.
         */
        projection
    }

    /**
     * @throws IllegalArgumentException if the density is outside (0, 1] or exact values have a gain
     */
    public SparsifyOptions {
        if (!(density > 0 && density <= 1)) {
            throw new IllegalArgumentException("density %s is outside (0, 1]".formatted(density));
        }
        if (values == Values.exact && gain != Gain.none) {
            throw new IllegalArgumentException("values exact cannot have gain " + gain);
        }
    }

    /** PERU-FFT as published. */
    public static SparsifyOptions paper(double density) {
        return new SparsifyOptions(density, Scope.global, Values.exact, Gain.none);
    }

    /** Graft's default: signs that keep the length along the residual, shared out by tensor. */
    public static SparsifyOptions compact(double density) {
        return new SparsifyOptions(density, Scope.tensor, Values.sign, Gain.projection);
    }

    /** Entries kept of {@code n} where the share is taken over them alone. */
    long keptOf(long n) {
        long kept = (long) Math.floor(density * n + 0.5);
        return Math.min(n, scope == Scope.tensor ? Math.max(1, kept) : kept);
    }

    /** By name, for the ledger and the delta itself. */
    Map<String, String> words() {
        return Map.of(
                "density", Double.toString(density),
                "gain", gain.name(),
                "scope", scope.name(),
                "values", values.name());
    }
}
