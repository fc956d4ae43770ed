package graft.formats.delta;

import static org.assertj.core.api.Assertions.assertThatThrownBy;

import graft.formats.FileSpot;
import graft.formats.MalformedFileException;

import org.junit.jupiter.api.Test;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.util.zip.DeflaterOutputStream;

class DirectoryTest {
    /** Three zeros announce UTF-32 to the JSON parser, whose error is none of JSON. */
    @Test
    void brokenUtf32IsRefusedLikeBrokenJson() throws IOException {
        var deflated = new ByteArrayOutputStream();
        try (var out = new DeflaterOutputStream(deflated)) {
            out.write(new byte[] {0, 0, 0, '{', 'a', '^', 'i', 'n'});
        }
        var bytes = MemorySegment.ofArray(deflated.toByteArray());
        assertThatThrownBy(() -> Directory.read(FileSpot.of("delta.safetensors"), bytes))
                .isInstanceOf(MalformedFileException.class)
                .hasMessageContaining("not valid UTF-32");
    }
}
