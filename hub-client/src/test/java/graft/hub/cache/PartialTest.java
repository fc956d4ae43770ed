package graft.hub.cache;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.ClosedByInterruptException;
import java.nio.file.Path;

class PartialTest {
    @TempDir Path folder;

    @AfterEach
    void calm() {
        Thread.interrupted();
    }

    private Partial open() throws IOException {
        return Partial.open(folder, "etag", 10, 6, true);
    }

    @Test
    void anInterruptWhileItIsMadeLeavesNothing() {
        Thread.currentThread().interrupt();
        assertThatThrownBy(this::open).isInstanceOf(ClosedByInterruptException.class);
        assertThat(folder).isEmptyDirectory();
    }

    @Test
    void anInterruptAtTheEndKeepsEveryByte() throws IOException {
        Partial whole = open();
        whole.append(0, ByteBuffer.wrap(new byte[6]));
        whole.append(1, ByteBuffer.wrap(new byte[4]));
        Thread.currentThread().interrupt();
        assertThatThrownBy(whole::finish).isInstanceOf(ClosedByInterruptException.class);
        calm();

        try (Partial again = open()) {
            assertThat(again.present()).isEqualTo(10);
            assertThat(again.finish()).hasSize(10);
        }
    }
}
