package graft.convert.archive;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import graft.formats.FormatException;
import graft.formats.io.Sha256;

import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;

/** Manifests that are intact by their hash and lie. */
class HostileManifestTest {
    private static final String HASH_FIELD = "\"sha256\":\"";

    @TempDir Path folder;
    private Path good = Path.of("");

    @BeforeEach
    void pack() throws IOException {
        Path source = folder.resolve("models");
        Files.createDirectory(source);
        Files.writeString(source.resolve("a.json"), "{\"a\": 1}");
        Files.write(source.resolve("b.bin"), new byte[100_000]);
        good = folder.resolve("good.tar");
        Archives.pack(good, 1, Optional.empty(), source);
    }

    @ParameterizedTest(name = "{0} for {1}")
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            textBlock =
                    """
                    "path":"models/a.json"  | "path":"../../a.json"     | is absolute or leaves its folder
                    "path":"models/a.json"  | "path":"/tmp/aa.json"     | is absolute or leaves its folder
                    "path":"models/a.json"  | "path":"models/b.bin"     | is there twice
                    "path":"models/a.json"  | "path":"models"           | lies below another file
                    "bytes":100000          | "bytes":900000            | bytes, 100000 in runs
                    [[100000,"bytes"]]      | [[99999,"bytes"]]         | has 100000 bytes, 99999 in runs
                    [[100000,"bytes"]]      | [[100000,"bf32"]]         | an unknown type of elements
                    [[100000,"bytes"]]      | [[100000,"bytes",1,0]]    | refers ahead
                    [[100000,"bytes"]]      | [[60000,"bytes"],[40000,"bytes",1,20001]] | refers ahead
                    [[100000,"bytes"]]      | [[100000,"bytes",0,0]]    | refers beyond the end
                    [[100000,"bytes"]]      | [[-100000,"bytes"]]       | no integer from 0
                    "storage":"plain"       | "storage":"cursed"        | an unknown storage
                    "bytes":100000          | "bytes":9223372036854775807 | bytes, 100000 in runs
                    "version":1             | "version":2               | archive format version 2
                    "block_bytes":1048576   | "block_bytes":1048577     | blocks of 1048577 bytes
                    "bases":[]              | "bases":{}                | has no list bases
                    "files":                | "flies":                  | has no list files
                    "gap_crc":"             | "gap_crc":"x              | gap_crc is
                    """)
    void isRefused(String from, String to, String message) throws IOException {
        Path bad = rewritten(from.strip(), to.strip());
        Path out = folder.resolve("deep/er/out");
        assertThatThrownBy(() -> Archives.unpack(bad, out, Optional.empty(), true))
                .isInstanceOf(FormatException.class)
                .hasMessageContaining(message.strip())
                .hasMessageContaining("bad.tar");
        assertThat(out).doesNotExist();
        assertThat(folder.resolve("a.json")).doesNotExist();
    }

    @Test
    void aBlockThatRefersToNothingIsRefused() throws IOException {
        // the codec is the first byte of an entry, here 4, delta, in place of 1
        Path bad = rewritten("\"blocks\":\"ARYA", "\"blocks\":\"BBYA");
        assertThatThrownBy(() -> Archives.unpack(bad, folder.resolve("x"), Optional.empty(), false))
                .isInstanceOf(FormatException.class)
                .hasMessageContaining("refers to other bytes, and there are none");
    }

    @Test
    void aFolderInTheWayOfAnotherFilesNameIsNotFollowed() throws IOException {
        Path out = folder.resolve("out");
        Path victim = folder.resolve("victim");
        Files.createDirectory(victim);
        Files.createDirectory(out);
        Files.createSymbolicLink(out.resolve("models"), victim);
        // with --force the old folder is replaced as a whole, links in it are not written through
        Archives.unpack(good, out, Optional.empty(), false);
        assertThat(victim).isEmptyDirectory();
        assertThat(out.resolve("models/a.json")).hasContent("{\"a\": 1}");
        assertThat(Files.isSymbolicLink(out.resolve("models"))).isFalse();
    }

    /** Changes both manifests, keeps their length and makes their hashes right again. */
    private Path rewritten(String from, String to) throws IOException {
        byte[] bytes = Files.readAllBytes(good);
        String text = new String(bytes, StandardCharsets.ISO_8859_1);
        int size = Integer.parseInt(text.substring(124, 135), 8);
        int copy = text.lastIndexOf(text.substring(512, 512 + 60));
        for (int at : new int[] {512, copy}) {
            String manifest = text.substring(at, at + size);
            assertThat(manifest).contains(from);
            String changed = manifest.strip().replace(from, to);
            changed += " ".repeat(Math.max(0, size - changed.length()));
            changed = changed.substring(0, size);
            int hash = changed.indexOf(HASH_FIELD) + HASH_FIELD.length();
            String blank =
                    changed.substring(0, hash) + "0".repeat(64) + changed.substring(hash + 64);
            String sha =
                    Sha256.of(MemorySegment.ofArray(blank.getBytes(StandardCharsets.ISO_8859_1)));
            String right = changed.substring(0, hash) + sha + changed.substring(hash + 64);
            System.arraycopy(right.getBytes(StandardCharsets.ISO_8859_1), 0, bytes, at, size);
        }
        return Files.write(folder.resolve("bad.tar"), bytes);
    }
}
