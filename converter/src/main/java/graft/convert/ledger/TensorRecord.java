package graft.convert.ledger;

import graft.formats.tensor.TensorInfo;

import java.util.Map;
import java.util.NoSuchElementException;
import java.util.TreeMap;

/**
 * What a conversion did to one tensor or, for adapters, to one module.
 *
 * @param name tensor or module, as in the source
 * @param shape extents of the source tensor, or of ΔW for a module
 * @param dtype element type of the source
 * @param treatment what was done: {@code reduced}, {@code sparse}, {@code whole}, {@code dropped},
 *     …
 * @param bytesIn bytes in the source
 * @param bytesOut bytes in the output; 0 if dropped
 * @param figures what was measured by name, as far as it applies: numbers, lists of numbers ({@code
 *     sigma}, singular values), words ({@code factoredBy}); numbers are {@code rank}, {@code
 *     nonZeros}, {@code relativeError} (‖x − x̂‖/‖x‖, Frobenius), {@code energyKept} (share of
 *     ‖x‖²), {@code maxAbsError}, {@code roundingError} (relative, of the cast to the stored type
 *     alone)
 */
public record TensorRecord(
        String name,
        String shape,
        String dtype,
        String treatment,
        long bytesIn,
        long bytesOut,
        Map<String, ?> figures) {
    public TensorRecord {
        figures = new TreeMap<String, Object>(figures);
    }

    /** The record of a tensor that keeps its own shape and type in the ledger. */
    public static TensorRecord of(
            TensorInfo info, String treatment, long bytesOut, Map<String, ?> figures) {
        return new TensorRecord(
                info.name(),
                info.shape().toString(),
                info.dtype().name(),
                treatment,
                info.bytes(),
                bytesOut,
                figures);
    }

    /** The same of a tensor called otherwise: by its path, where there are several models. */
    public TensorRecord withName(String other) {
        return new TensorRecord(other, shape, dtype, treatment, bytesIn, bytesOut, figures);
    }

    /** The same of a tensor that takes another number of bytes in the output. */
    public TensorRecord withBytesOut(long bytes) {
        return new TensorRecord(name, shape, dtype, treatment, bytesIn, bytes, figures);
    }

    /**
     * One of {@link #figures} as a number.
     *
     * @throws java.util.NoSuchElementException if it was not measured
     */
    public double figure(String name) {
        if (!(figures.get(name) instanceof Number value)) {
            throw new NoSuchElementException(this.name + " has no number " + name);
        }
        return value.doubleValue();
    }
}
