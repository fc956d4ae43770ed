package graft.formats.pickle;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import graft.formats.FormatException;
import graft.formats.LimitExceededException;
import graft.formats.MalformedFileException;
import graft.formats.UnsupportedFeatureException;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;

class UnpicklerTest {
    /** Numbers as CPython's {@code pickle.dumps(n, 2)} writes them. */
    @ParameterizedTest
    @CsvSource({
        "4b00, 0",
        "4bff, 255",
        "4d0001, 256",
        "4dffff, 65535",
        "4a00000100, 65536",
        "4affffffff, -1",
        "4a00000080, -2147483648",
        "8a050000008000, 2147483648",
        "8a05ffffff7fff, -2147483649",
        "8a080000000000000080, -9223372036854775808",
        "8a09000000000000008000, 9223372036854775808",
        "8a00, 0",
        "473ff8000000000000, 1.5",
        "47bff0000000000000, -1.0",
    })
    void numbersAreThoseOfPython(String hex, String value) throws FormatException {
        assertThat(load(HexFormat.of().parseHex("8002" + hex + "2e"))).hasToString(value);
    }

    @Test
    void unknownOpcodeIsNamedWithItsByte() {
        assertThatThrownBy(() -> load("\u0080\u0002\u008b\0\0\0\u0080."))
                .isInstanceOf(UnsupportedFeatureException.class)
                .hasMessage(
                        "p.pt: byte 102: pickle opcode LONG4 (0x8b) is not one that torch.save"
                                + " writes for weights");
    }

    @Test
    void globalOfAnotherKindIsNamedAndNotLookedUp() {
        assertThatThrownBy(() -> load("cjava.lang\nRuntime\n)R."))
                .isInstanceOf(UnsupportedFeatureException.class)
                .hasMessage(
                        "p.pt: byte 100: asks for 'java.lang.Runtime', which holds no weights and"
                                + " is never run");
    }

    @Test
    void objectOfAnOuterMarkCannotBeTaken() {
        assertThatThrownBy(() -> load("K\u0001(K\u0002s."))
                .isInstanceOf(MalformedFileException.class)
                .hasMessageContaining("takes more from the stack than there is");
    }

    @Test
    void orderedDictOfPython2IsAListOfPairs() throws FormatException {
        Object value = load("ccollections\nOrderedDict\n]](X\1\0\0\0aK\7ea\u0085R.");
        assertThat(((Value.Dict) value).items()).containsEntry("a", 7L);
    }

    /** Dicts that each hold the one before twice: 2^14 ways to the innermost, then 2^28. */
    @Test
    void pathsThatDoubleRunIntoALimit() {
        var pickle = new StringBuilder("}q\0");
        for (int i = 0; i < 14; i++) {
            pickle.append("}(X\1\0\0\0ah\0X\1\0\0\0bh\0uq\0");
        }
        assertThatThrownBy(() -> tensors(pickle + "."))
                .isInstanceOf(MalformedFileException.class)
                .hasMessageContaining("holds no tensors");
        for (int i = 0; i < 14; i++) {
            pickle.append("}(X\1\0\0\0ah\0X\1\0\0\0bh\0uq\0");
        }
        assertThatThrownBy(() -> tensors(pickle + "."))
                .isInstanceOf(LimitExceededException.class)
                .hasMessageContaining("ways to values");
    }

    /** A long key above many short ones is in each of their names. */
    @Test
    void namesThatRepeatALongPrefixRunIntoALimit() {
        var pickle = new StringBuilder("}X\0\0\1\0").append("k".repeat(1 << 16)).append("}(");
        for (char c = 0; c < 600; c++) {
            pickle.append("X\3\0\0\0").append("%03d".formatted((int) c)).append('N');
        }
        assertThatThrownBy(() -> tensors(pickle.append("us.").toString()))
                .isInstanceOf(LimitExceededException.class)
                .hasMessageContaining("names of");
    }

    private static Object load(String latin1) throws FormatException {
        return load(latin1.getBytes(StandardCharsets.ISO_8859_1));
    }

    private static Object load(byte[] pickle) throws FormatException {
        return new Unpickler("p.pt", MemorySegment.ofArray(pickle), 100).next();
    }

    private static List<String> tensors(String latin1) throws FormatException {
        return List.copyOf(StateDict.of("p.pt", load(latin1), new ArrayList<>()).keySet());
    }
}
