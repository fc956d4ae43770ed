package graft.formats.pickle;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import graft.formats.UnsupportedFeatureException;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Random;
import java.util.zip.CRC32;
import java.util.zip.ZipEntry;
import java.util.zip.ZipOutputStream;

/** Against the JDK's writer. */
class ZipArchiveTest {
    @ParameterizedTest(name = "seed {0}")
    @ValueSource(longs = {1, 2, 3, 4})
    void storedEntriesAreWhereTheyWereWritten(long seed) throws IOException {
        var random = new Random(seed);
        Map<String, byte[]> entries = new LinkedHashMap<>();
        for (int i = random.nextInt(30); i >= 0; i--) {
            byte[] data = new byte[random.nextInt(300)];
            random.nextBytes(data);
            entries.put("r/%d-\u044f".formatted(i), data);
        }
        var out = new ByteArrayOutputStream();
        try (var zip = new ZipOutputStream(out)) {
            zip.setComment("x".repeat(random.nextInt(100)));
            for (var item : entries.entrySet()) {
                var crc = new CRC32();
                crc.update(item.getValue());
                var entry = new ZipEntry(item.getKey());
                entry.setMethod(ZipEntry.STORED);
                entry.setSize(item.getValue().length);
                entry.setCrc(crc.getValue());
                entry.setExtra(new byte[] {0x42, 0x46, 2, 0, 0, 0}); // torch pads with such a field
                zip.putNextEntry(entry);
                zip.write(item.getValue());
            }
        }
        var archive = ZipArchive.read("zip", MemorySegment.ofArray(out.toByteArray()));
        assertThat(archive.entries().sequencedKeySet()).containsExactlyElementsOf(entries.keySet());
        for (var entry : archive.entries().values()) {
            entry.check("zip");
            assertThat(entry.bytes().toArray(ValueLayout.JAVA_BYTE))
                    .isEqualTo(entries.get(entry.name()));
        }
    }

    @Test
    void compressedEntryIsRefusedWithTheRemedy() throws IOException {
        var out = new ByteArrayOutputStream();
        try (var zip = new ZipOutputStream(out)) {
            zip.putNextEntry(new ZipEntry("r/data.pkl"));
            zip.write(new byte[100]);
        }
        var file = MemorySegment.ofArray(out.toByteArray());
        assertThatThrownBy(() -> ZipArchive.read("m.pt", file))
                .isInstanceOfSatisfying(
                        UnsupportedFeatureException.class,
                        e -> {
                            assertThat(e).hasMessageContaining("entry 'r/data.pkl' is compressed");
                            assertThat(e.help()).contains("torch.save");
                        });
    }
}
