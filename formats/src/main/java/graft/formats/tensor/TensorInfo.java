package graft.formats.tensor;

/**
 * What a header says of one tensor.
 *
 * @param name as in the file
 * @param dtype element type
 * @param shape extents, row-major
 */
public record TensorInfo(String name, DType dtype, Shape shape) {
    /**
     * @throws ArithmeticException if the size in bits overflows
     * @throws IllegalArgumentException if packed elements do not fill whole bytes
     */
    public TensorInfo {
        if (Math.multiplyExact(shape.elements(), (long) dtype.bits()) % 8 != 0) {
            throw new IllegalArgumentException(
                    "%s: %d elements of %d bits do not fill whole bytes"
                            .formatted(name, shape.elements(), dtype.bits()));
        }
    }

    /** Bytes of the whole tensor. */
    public long bytes() {
        return shape.elements() * dtype.bits() / 8;
    }
}
