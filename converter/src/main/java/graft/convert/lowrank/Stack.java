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
    public void read(int row, int column, int count, float[] scratch, double[] into, int at) {
        int begin = 0;
        for (Operand part : parts) {
            if (sideBySide) {
                int from = Math.max(column, begin);
                int to = Math.min(column + count, begin + part.columns());
                if (from < to) {
                    part.read(row, from - begin, to - from, scratch, into, at + from - column);
                }
                begin += part.columns();
            } else {
                if (row >= begin && row < begin + part.rows()) {
                    part.read(row - begin, column, count, scratch, into, at);
                    return;
                }
                begin += part.rows();
            }
        }
    }
}
