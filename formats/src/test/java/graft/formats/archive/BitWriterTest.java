package graft.formats.archive;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class BitWriterTest {
    @ParameterizedTest
    @ValueSource(ints = {0, 1, 6, 7})
    void asManyBitsAsCanBePutComeBackWhateverIsPending(int before) {
        byte[] bytes = new byte[32];
        var writer = new BitWriter(bytes, 0);
        writer.put((1L << before) - 1, before);
        long value = 0xfedc_ba98_7654_3210L >>> Long.SIZE - BitWriter.MOST;
        writer.put(value, BitWriter.MOST);
        writer.put(5, 3);
        assertThat(writer.end()).isEqualTo((before + BitWriter.MOST + 3 + 7) / 8);
        var reader = new BitReader(bytes, 0);
        assertThat(reader.get(before)).isEqualTo((1L << before) - 1);
        assertThat(reader.get(28)).isEqualTo(value & (1L << 28) - 1);
        assertThat(reader.get(BitWriter.MOST - 28)).isEqualTo(value >>> 28);
        assertThat(reader.get(3)).isEqualTo(5);
    }
}
