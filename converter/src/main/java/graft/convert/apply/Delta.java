package graft.convert.apply;

/**
 * An update of a matrix, made row by row in float32 and never whole. Immutable, so safe from any
 * thread as long as the adapter is open.
 */
sealed interface Delta {
    int rows();

    int columns();

    /** Writes rows {@code first} to {@code first + count} into {@code into}, from index 0. */
    void read(int first, int count, float[] into);

    /** {@code scale · m}. */
    record Scaled(Strided m, float scale) implements Delta {
        @Override
        public int rows() {
            return m.rows();
        }

        @Override
        public int columns() {
            return m.columns();
        }

        @Override
        public void read(int first, int count, float[] into) {
            m.read(first, count, 0, columns(), into);
            for (int i = 0; i < count * columns(); i++) {
                into[i] *= scale;
            }
        }
    }

    /**
     * {@code left · right · scale / divisor}: low-rank updates of every kind.
     *
     * @param left rows × r
     * @param right r × columns
     */
    record Product(Strided left, Strided right, float scale, float divisor) implements Delta {
        private static final int BLOCK = 1 << 16;

        public Product {
            if (left.columns() != right.rows()) {
                throw new IllegalArgumentException(left + " · " + right);
            }
        }

        Product(Strided left, Strided right, double scale) {
            this(left, right, (float) scale, 1);
        }

        Product transposed() {
            return new Product(right.transposed(), left.transposed(), scale, divisor);
        }

        @Override
        public int rows() {
            return left.rows();
        }

        @Override
        public int columns() {
            return right.columns();
        }

        @Override
        public void read(int first, int count, float[] into) {
            int rank = right.rows();
            int width = Math.clamp(BLOCK / rank, 1, columns());
            float[] l = new float[count * rank];
            float[] r = new float[rank * width];
            left.read(first, count, 0, rank, l);
            java.util.Arrays.fill(into, 0, count * columns(), 0);
            for (int column = 0; column < columns(); column += width) {
                int n = Math.min(width, columns() - column);
                right.read(0, rank, column, n, r);
                for (int i = 0; i < count; i++) {
                    multiply(l, i * rank, r, rank, n, into, i * columns() + column);
                }
            }
            scale(into, count * columns());
        }

        /** Four steps of the chain per pass: a quarter of the loads and stores, the same sums. */
        private static void multiply(
                float[] l, int at, float[] r, int rank, int n, float[] into, int to) {
            int k = 0;
            for (; k + 4 <= rank; k += 4) {
                float l0 = l[at + k];
                float l1 = l[at + k + 1];
                float l2 = l[at + k + 2];
                float l3 = l[at + k + 3];
                int r0 = k * n;
                int r1 = r0 + n;
                int r2 = r1 + n;
                int r3 = r2 + n;
                for (int j = 0; j < n; j++) {
                    float sum = Math.fma(l0, r[r0 + j], into[to + j]);
                    sum = Math.fma(l1, r[r1 + j], sum);
                    sum = Math.fma(l2, r[r2 + j], sum);
                    into[to + j] = Math.fma(l3, r[r3 + j], sum);
                }
            }
            for (; k < rank; k++) {
                float l0 = l[at + k];
                int r0 = k * n;
                for (int j = 0; j < n; j++) {
                    into[to + j] = Math.fma(l0, r[r0 + j], into[to + j]);
                }
            }
        }

        private void scale(float[] values, int count) {
            for (int i = 0; i < count; i++) {
                values[i] *= scale;
            }
            if (divisor != 1) {
                for (int i = 0; i < count; i++) {
                    values[i] /= divisor;
                }
            }
        }
    }

    /** {@code one ⊙ other · scale}: LoHa. */
    record Hadamard(Product one, Product other, float scale) implements Delta {
        @Override
        public int rows() {
            return one.rows();
        }

        @Override
        public int columns() {
            return one.columns();
        }

        @Override
        public void read(int first, int count, float[] into) {
            float[] second = new float[count * columns()];
            one.read(first, count, into);
            other.read(first, count, second);
            for (int i = 0; i < second.length; i++) {
                into[i] = into[i] * second[i] * scale;
            }
        }
    }

    /** {@code w1 ⊗ w2 · scale}, the Kronecker product: LoKr. */
    record Kronecker(Delta w1, Delta w2, float scale) implements Delta {
        @Override
        public int rows() {
            return Math.multiplyExact(w1.rows(), w2.rows());
        }

        @Override
        public int columns() {
            return Math.multiplyExact(w1.columns(), w2.columns());
        }

        @Override
        public void read(int first, int count, float[] into) {
            float[] outer = new float[w1.columns()];
            float[] inner = new float[w2.columns()];
            int at = 0;
            int known = -1;
            for (int row = first; row < first + count; row++) {
                if (row / w2.rows() != known) {
                    known = row / w2.rows();
                    w1.read(known, 1, outer);
                }
                w2.read(row % w2.rows(), 1, inner);
                for (float x : outer) {
                    for (float y : inner) {
                        into[at++] = x * y * scale;
                    }
                }
            }
        }
    }
}
