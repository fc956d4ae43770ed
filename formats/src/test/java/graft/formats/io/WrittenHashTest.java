package graft.formats.io;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import java.util.concurrent.Callable;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;

class WrittenHashTest {
    @TempDir Path folder;

    @ParameterizedTest
    @ValueSource(ints = {1, 2, 8})
    void piecesInAnyOrderFromAnyThreadGiveTheHashOfTheFile(int threads) throws Exception {
        var random = new Random(threads);
        byte[] bytes = new byte[5_000_000];
        random.nextBytes(bytes);
        Path file = folder.resolve("file");
        try (var channel = open(file);
                var hash = new WrittenHash(channel);
                var pool = Executors.newFixedThreadPool(threads)) {
            List<Callable<Void>> pieces = new ArrayList<>();
            for (int at = 0; at < bytes.length; ) {
                int from = at;
                int to = Math.min(bytes.length, at + random.nextInt(200_000));
                pieces.add(() -> {
                    var piece = MemorySegment.ofArray(bytes).asSlice(from, to - from);
                    FileWrites.fully(channel, piece, from);
                    hash.wrote(from, to);
                    return null;
                });
                at = to;
            }
            Collections.shuffle(pieces, random);
            for (Future<Void> piece : pool.invokeAll(pieces)) {
                piece.get();
            }

            assertThat(hash.hex()).isEqualTo(Sha256.of(MemorySegment.ofArray(bytes)));
        }
        assertThat(Sha256.of(file)).isEqualTo(Sha256.of(MemorySegment.ofArray(bytes)));
    }

    @Test
    void bytesThatWereThereBeforeAreHashedAtTheEnd() throws IOException {
        Path file = folder.resolve("resumed");
        Files.write(file, new byte[] {1, 2, 3, 4, 5, 6});
        try (var channel = open(file);
                var hash = new WrittenHash(channel)) {
            FileWrites.fully(channel, MemorySegment.ofArray(new byte[] {9}), 0);
            hash.wrote(0, 1);

            assertThat(hash.hex())
                    .isEqualTo(Sha256.of(MemorySegment.ofArray(new byte[] {9, 2, 3, 4, 5, 6})));
        }
    }

    /** As of a tensor without elements; what follows it would be hashed at the end only. */
    @Test
    void emptyPieceDoesNotHideTheOneThatBeginsWhereItDoes() throws IOException {
        byte[] bytes = {1, 2, 3, 4, 5, 6};
        try (var channel = open(folder.resolve("file"));
                var hash = new WrittenHash(channel)) {
            FileWrites.fully(channel, MemorySegment.ofArray(bytes), 0);
            hash.wrote(4, 6);
            hash.wrote(4, 4);
            hash.wrote(0, 4);
            FileWrites.fully(channel, MemorySegment.ofArray(new byte[] {0}), 5); // comes too late

            assertThat(hash.hex()).isEqualTo(Sha256.of(MemorySegment.ofArray(bytes)));
        }
    }

    private static FileChannel open(Path file) throws IOException {
        return FileChannel.open(
                file, StandardOpenOption.CREATE, StandardOpenOption.READ, StandardOpenOption.WRITE);
    }
}
