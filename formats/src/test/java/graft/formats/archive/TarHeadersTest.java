package graft.formats.archive;

import static org.assertj.core.api.Assertions.assertThat;

import org.apache.commons.compress.archivers.tar.TarArchiveInputStream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

import java.io.ByteArrayInputStream;
import java.io.IOException;

class TarHeadersTest {
    /** Around what ustar holds in itself: 8 GiB, 100 characters, ASCII. */
    @ParameterizedTest(name = "{0} times {1}, {2} bytes")
    @CsvSource({
        "a,1,0",
        "a,100,8589934591",
        "a,101,8589934591",
        "a,100,8589934592",
        "a/b,90,1000000000000",
        "ü,1,5",
        "模,200,9000000000"
    })
    void namesAndSizesComeBack(String part, int times, long size) throws IOException {
        String name = part.repeat(times);
        byte[] header = TarHeaders.of(name, size);
        assertThat(header.length % TarHeaders.RECORD).isZero();
        check(header, name, size);
        // where room was kept for a larger one
        byte[] room = TarHeaders.of(name, Math.max(size, 1L << 40));
        byte[] longer = TarHeaders.ofLength(name, size, room.length);
        assertThat(longer).hasSameSizeAs(room);
        check(longer, name, size);
    }

    private static void check(byte[] header, String name, long size) throws IOException {
        try (var tar = new TarArchiveInputStream(new ByteArrayInputStream(header))) {
            var entry = tar.getNextEntry();
            assertThat(entry.getName()).isEqualTo(name);
            assertThat(entry.getSize()).isEqualTo(size);
            assertThat(entry.isFile()).isTrue();
            assertThat(entry.getMode() & 0777).isEqualTo(0644);
        }
    }
}
