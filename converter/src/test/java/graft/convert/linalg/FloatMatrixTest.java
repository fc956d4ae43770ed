package graft.convert.linalg;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class FloatMatrixTest {
    /** Up to, at and beyond what is copied at a time. */
    @ParameterizedTest
    @CsvSource({"1,1", "2,4096", "8193,1", "1,8191", "7,5000"})
    void everyElementIsRoundedAndComesBack(int rows, int columns) {
        try (var scratch = new Scratch()) {
            Matrix source = scratch.matrix(rows + 2, columns);
            for (int i = 0; i < (rows + 2) * columns; i++) {
                source.values().put(i, (i + 1) / 3.0);
            }
            FloatMatrix all = scratch.floats(rows + 2, columns);
            all.rows(1, rows).fill(source.rows(1, rows));
            Matrix back = scratch.matrix(rows + 2, columns);
            all.rows(1, rows).copyTo(back.rows(1, rows));
            for (int i = 0; i < (rows + 2) * columns; i++) {
                boolean inside = i >= columns && i < (rows + 1) * columns;
                float expected = inside ? (float) ((i + 1) / 3.0) : 0;
                assertThat(all.values().get(i)).isEqualTo(expected);
                assertThat(back.values().get(i)).isEqualTo(expected);
            }
        }
    }
}
