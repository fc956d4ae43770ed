package graft.formats.safetensors;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowable;

import com.fasterxml.jackson.databind.JsonNode;

import graft.formats.FormatException;
import graft.formats.Testdata;
import graft.formats.Verdicts;
import graft.formats.io.Sha256;

import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import java.util.stream.StreamSupport;

/** Files of the reference crate and of its attackers, with the verdict asked of a strict reader. */
class SafetensorsFixturesTest {
    private static final Verdicts VERDICTS = new Verdicts("safetensors");

    @TempDir Path folder;

    @AfterAll
    static void printTable() {
        VERDICTS.print();
    }

    static Stream<Arguments> files() throws IOException {
        return elements(Testdata.json("safetensors/manifest.json").get("files"))
                .map(entry -> Arguments.of(entry.get("file").asText(), entry));
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("files")
    void verdictIsMet(String file, JsonNode entry) {
        Path path = Testdata.path("safetensors/" + file);
        boolean mayRefuse = entry.path("also_acceptable").asText().equals("reject");
        boolean accept = entry.get("strict").asText().equals("accept") && !mayRefuse;
        VERDICTS.check(
                file,
                accept,
                () -> {
                    if (accept) {
                        isRead(path, entry);
                    } else {
                        isRefused(path, entry);
                    }
                });
    }

    private static void isRefused(Path path, JsonNode entry) {
        Throwable error = catchThrowable(() -> SafetensorsReader.open(path).close());
        assertThat(error)
                .isInstanceOf(FormatException.class)
                .hasMessageStartingWith(path.toString())
                .hasMessageNotContainingAny("\n", "\r");
        var format = (FormatException) error;
        assertThat(format.spot().offset()).isNotNegative();
        String code =
                OTHER_CODE.getOrDefault(path.getFileName().toString(), entry.path("code").asText());
        assertThat(format.rule())
                .hasValueSatisfying(
                        rule -> assertThat(rule.code()).isEqualTo("safetensors/" + code));
    }

    /** Our rule where the manifest's advisory code is another, or none. */
    private static final Map<String, String> OTHER_CODE =
            Map.of(
                    "shape_leading_zero.safetensors", "bad_json", // by the grammar of JSON
                    "shape_plus.safetensors", "bad_json",
                    "zero_dim_with_huge_other.safetensors", "overflow"); // refused by choice

    private static void isRead(Path path, JsonNode entry) throws IOException {
        try (var reader = SafetensorsReader.open(path)) {
            JsonNode tensors = entry.get("tensors");
            assertThat(reader.tensors()).hasSize(tensors.size());
            for (var info : reader.tensors()) {
                JsonNode expected = tensors.get(info.name());
                assertThat(info.dtype().name()).isEqualTo(expected.get("dtype").asText());
                assertThat(info.shape().toArray())
                        .containsExactly(
                                elementsOrNone(expected.get("shape"))
                                        .mapToLong(JsonNode::asLong)
                                        .toArray());
                assertThat(Sha256.of(reader.bytes(info.name())))
                        .isEqualTo(expected.get("sha256").asText());
            }
            JsonNode metadata = entry.path("metadata");
            metadata.properties()
                    .forEach(field ->
                            assertThat(reader.metadata())
                                    .containsEntry(field.getKey(), field.getValue().asText()));
            boolean warns = entry.path("warn").asBoolean() && !path.endsWith(READS_DATA_TO_WARN);
            assertThat(reader.warnings().isEmpty()).isEqualTo(!warns);
        }
    }

    /** A warning about BOOL bytes would read all data; opening reads the header. */
    private static final String READS_DATA_TO_WARN = "bool_non_binary_bytes.safetensors";

    static Stream<Arguments> recipes() throws IOException {
        return elements(Testdata.json("safetensors/manifest.json").get("recipes"))
                .map(entry -> Arguments.of(entry.get("name").asText(), entry));
    }

    /** Headers too large to keep: built as described, confirmed by their hash. */
    @ParameterizedTest(name = "{0}")
    @MethodSource("recipes")
    void verdictOnLargeHeaderIsMet(String name, JsonNode entry) throws IOException {
        Path path = folder.resolve(name + ".safetensors");
        Files.write(path, build(entry.get("recipe")));
        assertThat(Sha256.of(path)).isEqualTo(entry.get("sha256").asText());
        boolean accept = entry.get("strict").asText().equals("accept");
        VERDICTS.check(
                name,
                accept,
                () -> {
                    if (accept) {
                        try (var reader = SafetensorsReader.open(path)) {
                            assertThat(reader.tensors()).hasSize(entry.at("/recipe/count").asInt());
                        }
                    } else {
                        isRefused(path, entry);
                    }
                });
    }

    @Test
    void warningsAreFewHoweverManyReasonsThereAre() throws IOException {
        String tensors =
                IntStream.range(0, 1000)
                        .mapToObj(i ->
                                "\"%d\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0],\"x\":1}"
                                        .formatted(i))
                        .collect(Collectors.joining(",", "{", "}"));
        Path file = folder.resolve("chatty.safetensors");
        Files.write(
                file,
                SafetensorsBytes.of(tensors.getBytes(StandardCharsets.US_ASCII), new byte[0]));
        try (var reader = SafetensorsReader.open(file)) {
            assertThat(reader.warnings())
                    .hasSize(21)
                    .last()
                    .isEqualTo(file + ": 980 more of the kind");
        }
    }

    private static byte[] build(JsonNode recipe) {
        JsonNode format = recipe.get("name_format");
        long step = recipe.get("step").asLong();
        String dtype = recipe.get("dtype").asText();
        int size = dtype.equals("F32") ? 8 : 1; // shapes are [2] and [1]
        var header = new StringBuilder("{");
        for (int i = 0; i < recipe.get("count").asInt(); i++) {
            String name =
                    format.isTextual()
                            ? format.asText().replace("{i}", Integer.toString(i))
                            : format.get("repeat").asText().repeat(format.get("times").asInt())
                                    + format.get("then")
                                            .asText()
                                            .replace("{i}", Integer.toString(i));
            header.append(i == 0 ? "" : ",")
                    .append('"')
                    .append(name)
                    .append("\":{\"dtype\":\"")
                    .append(dtype)
                    .append("\",\"shape\":")
                    .append(recipe.get("shape").toString().replace(" ", ""))
                    .append(",\"data_offsets\":[")
                    .append(i * step)
                    .append(',')
                    .append(i * step + size)
                    .append("]}");
        }
        header.append('}').append(" ".repeat(recipe.get("pad_spaces").asInt()));
        return SafetensorsBytes.of(
                header.toString().getBytes(StandardCharsets.UTF_8),
                new byte[recipe.get("data_zero_bytes").asInt()]);
    }

    /** The elements of an array that may be empty. */
    static Stream<JsonNode> elementsOrNone(JsonNode array) {
        return StreamSupport.stream(array.spliterator(), false);
    }

    static Stream<JsonNode> elements(JsonNode array) {
        List<JsonNode> list = StreamSupport.stream(array.spliterator(), false).toList();
        assertThat(list).isNotEmpty();
        return list.stream();
    }
}
