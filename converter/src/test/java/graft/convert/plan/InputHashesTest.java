package graft.convert.plan;

import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.junit.jupiter.api.Test;

import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.List;

/** What goes wrong on the hashing thread is told as what it is: it decides the exit code. */
class InputHashesTest {
    @Test
    void aMissingFileIsNamed() {
        try (var hashes = new InputHashes()) {
            hashes.add("base", "gone", List.of(Path.of("gone.safetensors")));
            assertThatThrownBy(hashes::get)
                    .isInstanceOf(NoSuchFileException.class)
                    .hasMessageContaining("gone.safetensors");
        }
    }

    @Test
    void aDefectIsNoErrorOfTheDisk() {
        try (var hashes = new InputHashes()) {
            hashes.add("base", "defect", new Unreadable());
            assertThatThrownBy(hashes::get).isInstanceOf(IllegalStateException.class);
        }
    }

    private static final class Unreadable extends java.util.AbstractList<Path> {
        @Override
        public Path get(int index) {
            throw new IllegalStateException("defect");
        }

        @Override
        public int size() {
            return 1;
        }
    }
}
