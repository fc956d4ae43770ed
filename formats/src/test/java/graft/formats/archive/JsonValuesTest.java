package graft.formats.archive;

import static org.assertj.core.api.Assertions.assertThatThrownBy;

import graft.formats.FileSpot;
import graft.formats.MalformedFileException;

import org.junit.jupiter.api.Test;

class JsonValuesTest {
    /** Three zeros announce UTF-32 to the JSON parser, whose error is none of JSON. */
    @Test
    void brokenUtf32IsRefusedLikeBrokenJson() {
        byte[] bytes = {0, 0, 0, '{', 'a', '^', 'i', 'n'};
        assertThatThrownBy(() -> new JsonValues(FileSpot.of("a.graft")).document(bytes))
                .isInstanceOf(MalformedFileException.class)
                .hasMessageContaining("no UTF-32");
    }
}
