package graft.convert.lowrank;

import java.util.List;

/**
 * Factors of several adapters as one: {@code [B₁ B₂ …]} or {@code [A₁; A₂; …]}, whose product is
 * the sum {@code B₁A₁ + B₂A₂ + …}, exactly.
 *
 * @param parts from left to right, or from top to bottom; equal in the other extent
 * @param sideBySide whether columns are added up (B), or rows (A)
 */
public record Stack(List<Operand> parts, boolean sideBySide) implements Operand {
    /**
     * @throws IllegalArgumentException if there is nothing to stack, or extents differ
     */
    public Stack {
        parts = List.copyOf(parts);
        for (Operand part : parts) {
            boolean fits =
                    sideBySide
                            ? part.rows() == parts.getFirst().rows()
                            : part.columns() == parts.getFirst().columns();
            if (!fits) {
                throw new IllegalArgumentException(
                        "%d×%d does not fit".formatted(part.rows(), part.columns()));
            }
        }
    }

    @Override
    public int rows() {
        return sideBySide
                ? parts.getFirst().rows()
                : parts.stream().mapToInt(Operand::rows).reduce(0, Math::addExact);
    }

    @Override
    public int columns() {
        return sideBySide
                ? parts.stream().mapToInt(Operand::columns).reduce(0, Math::addExact)
                : parts.getFirst().columns();
    }

    @Override
    public void read(Block block, float[] scratch, double[] into, int at, int stride) {
        int wanted = sideBySide ? block.column() : block.row();
        int end = wanted + (sideBySide ? block.columns() : block.rows());
        int begin = 0;
        for (Operand part : parts) {
            int length = sideBySide ? part.columns() : part.rows();
            int from = Math.max(wanted, begin);
            int to = Math.min(end, begin + length);
            if (from < to) {
                Block piece =
                        sideBySide
                                ? new Block(block.row(), block.rows(), from - begin, to - from)
                                : new Block(
                                        from - begin, to - from, block.column(), block.columns());
                int skipped = (from - wanted) * (sideBySide ? 1 : stride);
                part.read(piece, scratch, into, at + skipped, stride);
            }
            begin += length;
        }
    }
}
