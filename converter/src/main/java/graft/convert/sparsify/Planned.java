package graft.convert.sparsify;

import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;

/**
 * A tensor that is planned.
 *
 * @param treatment how it will be stored
 * @param expected what that is expected to give; empty where no statistics were taken
 */
record Planned(Treatment treatment, Optional<Estimate> expected) {
    /** The figures known before anything is written. */
    Map<String, Number> figures() {
        Map<String, Number> figures = new TreeMap<>();
        expected.ifPresent(estimate -> {
            figures.put("nonZeros", Math.round(estimate.count()));
            figures.put("norm", Math.sqrt(estimate.energy()));
            figures.put("expectedNoise", estimate.relativeNoise());
        });
        return figures;
    }
}
