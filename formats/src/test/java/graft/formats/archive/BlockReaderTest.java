package graft.formats.archive;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import graft.formats.MalformedFileException;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

class BlockReaderTest {
    private static final int BLOCK = ArchiveLayout.BLOCK_BYTES;
    private static final int SMALL = BLOCK >> 12;
    private static final String SHA = "0".repeat(64);

    @TempDir Path folder;

    /** A block of thousands of small runs, each in a block of thousands, and so on. */
    @Test
    @Timeout(60)
    void referencesThatFanOutAtEveryLinkAreRefused() throws IOException {
        var files = new ArrayList<ArchiveWriter.Planned>();
        files.add(file(0, List.of(Run.of(2L * BLOCK, ElementType.BYTES))));
        for (int i = 1; i < Manifest.MAX_DEPTH; i += 2) {
            List<Run> runs = new ArrayList<>();
            for (int at = 0; at < 2 * BLOCK; at += SMALL) {
                // in turn in one block and the other, so that remembering one is no help
                long from = at / 2 / SMALL * SMALL + (at / SMALL & 1) * BLOCK;
                runs.add(new Run(SMALL, ElementType.BYTES, i - 1, from));
            }
            files.add(file(i, runs));
            files.add(file(i + 1, List.of(new Run(2L * BLOCK, ElementType.BYTES, i, 0))));
        }
        try (var reader = write(files);
                var blocks = reader.blocks(List.of())) {
            byte[] into = new byte[BLOCK];
            assertThatThrownBy(() -> blocks.read(Manifest.MAX_DEPTH, 0, into))
                    .isInstanceOf(MalformedFileException.class)
                    .hasMessageContaining("is one of too many that one block refers to");
            // a chain without a fan is as good as any
            assertThat(blocks.read(1, 7, into)).isEqualTo(SMALL);
        }
    }

    /** Thousands of small runs in one block: restored once. */
    @Test
    void aBlockThatIsNeededAgainAndAgainIsRemembered() throws IOException {
        List<Run> runs = new ArrayList<>();
        for (int at = 0; at < BLOCK; at += 64) {
            runs.add(new Run(64, ElementType.BYTES, 0, BLOCK - 64 - at));
        }
        var files =
                List.of(
                        file(0, List.of(Run.of(BLOCK, ElementType.BYTES))),
                        file(1, runs),
                        file(2, List.of(new Run(BLOCK, ElementType.BYTES, 1, 0))));
        try (var reader = write(files);
                var blocks = reader.blocks(List.of())) {
            byte[] into = new byte[BLOCK];
            assertThat(blocks.read(2, 0, into)).isEqualTo(BLOCK);
            for (int i = 0; i < BLOCK; i++) {
                int from = BLOCK - 64 - (i & -64) + (i & 63);
                assertThat(into[i]).isEqualTo(content(from));
            }
        }
    }

    private static ArchiveWriter.Planned file(int number, List<Run> runs) {
        long bytes = runs.stream().mapToLong(Run::bytes).sum();
        return new ArchiveWriter.Planned(
                "f" + number, bytes, ArchiveFile.Storage.CODED, List.copyOf(runs));
    }

    private static byte content(int at) {
        return (byte) (at * 31 >> 3);
    }

    /** What refers is the same as what it refers to; the rest is stored. */
    private ArchiveReader write(List<ArchiveWriter.Planned> files) throws IOException {
        Path path = folder.resolve("a.tar");
        byte[] raw = new byte[BLOCK];
        for (int i = 0; i < BLOCK; i++) {
            raw[i] = content(i);
        }
        try (var writer = ArchiveWriter.create(path, Map.of(), List.of(), files)) {
            for (ArchiveWriter.Planned file : files) {
                writer.begin();
                for (Run run : file.runs()) {
                    boolean refers = run.source() != Run.NONE;
                    int length = refers ? 0 : BLOCK;
                    BlockCodec codec = refers ? BlockCodec.SAME : BlockCodec.RAW;
                    for (int i = run.blocks(); i > 0; i--) {
                        writer.append(codec, raw, length, ArchiveWriter.crc(raw, length));
                    }
                }
                writer.end(SHA);
            }
            writer.finish();
        }
        return ArchiveReader.open(path);
    }
}
