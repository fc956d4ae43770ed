package graft.convert.sparsify;

import java.util.Map;
import java.util.TreeMap;

/**
 * A tensor that is planned.
 *
 * @param treatment how it will be stored
 * @param expected what that is expected to give
 */
record Planned(Treatment treatment, Estimate expected) {
    /** The figures known before anything is written. */
    Map<String, Number> figures() {
        Map<String, Number> figures = new TreeMap<>();
        figures.put("nonZeros", Math.round(expected.count()));
        figures.put("norm", Math.sqrt(expected.energy()));
        figures.put("expectedNoise", expected.relativeNoise());
        return figures;
    }
}
