package graft.hub.cache;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;

/** What an interrupted run leaves, and who may go on with it. */
class PartialJournalTest {
    private static final String ETAG = "ab".repeat(32);

    @TempDir Path folder;

    private Partial open(boolean resume) throws IOException {
        return Partial.open(folder, ETAG, 1000, 300, resume);
    }

    private static ByteBuffer bytes(int count, int value) {
        ByteBuffer bytes = ByteBuffer.allocate(count);
        while (bytes.hasRemaining()) {
            bytes.put((byte) value);
        }
        return bytes.flip();
    }

    @Test
    void journalSurvivesItsProcess() throws IOException {
        try (Partial partial = open(true)) {
            partial.append(0, bytes(300, 1));
            partial.append(2, bytes(120, 3));
            partial.append(2, bytes(30, 3));
        }
        assertThat(Partial.resumable(folder, ETAG, 1000)).isEqualTo(450);
        try (Partial again = open(true)) {
            assertThat(again.done(0)).isEqualTo(300);
            assertThat(again.done(1)).isZero();
            assertThat(again.done(2)).isEqualTo(150);
            assertThat(again.segmentLength(3)).isEqualTo(100);
            assertThat(again.contiguous()).isEqualTo(300);
            again.append(1, bytes(300, 2));
            assertThat(again.contiguous()).isEqualTo(750);
            again.append(2, bytes(150, 3));
            again.append(3, bytes(100, 4));
            Path whole = again.finish();
            assertThat(whole).hasSize(1000);
            assertThat(Files.readAllBytes(whole)).startsWith(1, 1).endsWith(4, 4);
        }
    }

    @Test
    void partialOfAnotherSizeOrMakerIsNotTouched() throws IOException {
        Path python = Files.write(folder.resolve(ETAG + ".0123abcd.incomplete"), new byte[700]);
        Path shared = Files.write(folder.resolve(ETAG + ".incomplete"), new byte[700]);
        try (Partial other = Partial.open(folder, ETAG, 900, 300, true)) {
            other.append(0, bytes(10, 1));
        }
        try (Partial partial = open(true)) {
            assertThat(partial.present()).isZero();
        }
        assertThat(python).hasSize(700);
        assertThat(shared).hasSize(700);
    }

    @Test
    void damagedJournalIsNotBelieved() throws IOException {
        try (Partial partial = open(true)) {
            partial.append(0, bytes(300, 1));
        }
        Path file;
        try (var files = Files.list(folder)) {
            file = files.findFirst().orElseThrow();
        }
        try (var channel = java.nio.channels.FileChannel.open(file, StandardOpenOption.WRITE)) {
            channel.write(bytes(8, 0x7f), 1000 + 24); // a count beyond its segment
        }
        assertThat(Partial.resumable(folder, ETAG, 1000)).isZero();
    }

    @Test
    void theFullestOfSeveralIsKept() throws IOException {
        for (int count : new int[] {10, 200, 50}) {
            try (Partial partial = open(false)) {
                partial.append(0, bytes(count, 1));
            }
        }
        try (Partial partial = open(true)) {
            assertThat(partial.present()).isEqualTo(200);
        }
        try (var files = Files.list(folder)) {
            assertThat(files).hasSize(1);
        }
    }

    @Test
    void hugeFilesGetLongerSegments() throws IOException {
        try (Partial partial = Partial.open(folder, ETAG, 1L << 40, 1 << 10, false)) {
            assertThat(partial.segments()).isLessThanOrEqualTo(1 << 20);
        }
    }
}
