package graft.convert.linalg;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.junit.jupiter.api.Test;

import java.util.Arrays;

class ScratchTest {
    @Test
    void matricesAreZeroThoughTheirMemoryWasUsed() {
        int[] sizes = {3, 64, 200, 300, 300, 5}; // those of 300 go beyond what is kept
        for (int i = 0; i < 3; i++) {
            try (var scratch = new Scratch()) {
                for (int size : sizes) {
                    Matrix matrix = scratch.matrix(size, size);
                    assertThat(matrix.toArray()).containsOnly(0);
                    fill(matrix, 7);
                }
            }
        }
    }

    @Test
    void matricesDoNotShareMemoryNorDoScratchesWithinEachOther() {
        try (var outer = new Scratch()) {
            Matrix first = outer.matrix(5, 7);
            fill(first, 1);
            try (var inner = new Scratch()) {
                fill(inner.matrix(100, 100), 2);
            }
            Matrix second = outer.matrix(5, 7);
            fill(second, 3);

            assertThat(first.toArray()).containsOnly(1);
            assertThat(second.toArray()).containsOnly(3);
        }
    }

    @Test
    void aMatrixDiesWithItsScratch() {
        Matrix matrix;
        try (var scratch = new Scratch()) {
            matrix = scratch.matrix(2, 2);
        }
        assertThatThrownBy(matrix::toArray).isInstanceOf(IllegalStateException.class);
    }

    @Test
    void closingTwiceGivesNobodyTheMemoryOfAnother() {
        var closed = new Scratch();
        closed.close();
        try (var outer = new Scratch()) {
            assertThatThrownBy(closed::close).isInstanceOf(IllegalStateException.class);
            Matrix matrix = outer.matrix(2, 2);
            try (var inner = new Scratch()) {
                fill(inner.matrix(2, 2), 5);
            }
            assertThat(matrix.toArray()).containsOnly(0);
        }
    }

    private static void fill(Matrix matrix, double value) {
        double[] values = new double[matrix.rows() * matrix.columns()];
        Arrays.fill(values, value);
        matrix.fill(values);
    }
}
