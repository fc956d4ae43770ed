package graft.formats;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.SerializationFeature;
import com.fasterxml.jackson.databind.json.JsonMapper;

import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

import java.io.IOException;
import java.io.StringWriter;
import java.util.TreeMap;

/** Against Jackson's own mapper. */
class JsonTreeTest {
    private static final JsonMapper MAPPER =
            JsonMapper.builder().enable(SerializationFeature.ORDER_MAP_ENTRIES_BY_KEYS).build();

    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                "  ",
                "null",
                "true",
                "-7",
                "2147483648",
                "9223372036854775808",
                "1e400",
                "-0.0",
                "0.1",
                "\"\\u00e9\\ud83d\\ude00\\\"\"",
                "[]",
                "{}",
                "[1,[2,[3,{}]],null]",
                "{\"z\":{\"b\":1,\"a\":[1.5,false,null]},\"a\":\"text\",\"m\":12345678901}",
                "{\"a\":1} and more"
            })
    void readsWhatTheMapperReads(String document) throws IOException {
        assertThat(read(document)).isEqualTo(MAPPER.readTree(document));
    }

    @ParameterizedTest
    @ValueSource(strings = {"{", "[1,", "{\"a\"}", "[1 2]", "tru", "{\"a\":}", "[}", "01"})
    void refusesWhatTheMapperRefuses(String document) {
        assertThatThrownBy(() -> MAPPER.readTree(document))
                .isInstanceOf(JsonProcessingException.class);
        assertThatThrownBy(() -> read(document)).isInstanceOf(JsonProcessingException.class);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "{}",
                "{\"z\":{\"b\":1,\"a\":[1.5,{\"y\":0,\"x\":\"é\\n\"},null]},\"a\":-0.0,\"m\":12345678901}",
                "{\"large\":92233720368547758080,\"small\":1e-300,\"yes\":true}"
            })
    void writesWhatTheMapperWrites(String document) throws IOException {
        var text = new StringWriter();
        try (var json = new JsonFactory().createGenerator(text)) {
            JsonTree.writeSorted(json, MAPPER.readTree(document));
        }

        Object sorted = MAPPER.treeToValue(MAPPER.readTree(document), TreeMap.class);
        assertThat(text.toString()).isEqualTo(MAPPER.writeValueAsString(sorted));
    }

    private static JsonNode read(String document) throws IOException {
        try (var parser = new JsonFactory().createParser(document)) {
            return JsonTree.read(parser);
        }
    }
}
