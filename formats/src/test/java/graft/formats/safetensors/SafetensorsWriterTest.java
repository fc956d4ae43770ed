package graft.formats.safetensors;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.JsonNode;

import graft.formats.Testdata;
import graft.formats.tensor.DType;
import graft.formats.tensor.Shape;
import graft.formats.tensor.TensorInfo;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Base64;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;

class SafetensorsWriterTest {
    @TempDir Path folder;

    static Stream<Arguments> roundTrips() throws IOException {
        return SafetensorsFixturesTest.elements(
                        Testdata.json("safetensors/roundtrip/manifest.json").get("files"))
                .map(entry -> Arguments.of(entry.get("file").asText(), entry));
    }

    /** The crate leaves metadata keys in random order; where it says so only one key is there. */
    @ParameterizedTest(name = "{0}")
    @MethodSource("roundTrips")
    void readThenWriteGivesTheCratesBytes(String file, JsonNode entry) throws IOException {
        Path original = Testdata.path("safetensors/roundtrip/" + file);
        Path copy = folder.resolve("copy.safetensors");
        try (var reader = SafetensorsReader.open(original);
                var writer = SafetensorsWriter.create(copy, reader.tensors(), reader.metadata())) {
            for (var info : reader.tensors()) {
                writer.write(info.name(), 0, reader.bytes(info.name()));
            }
        }
        if (entry.get("byte_equal").asBoolean()) {
            assertThat(copy).hasSameBinaryContentAs(original);
        } else {
            assertSameContent(copy, original);
        }
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("roundTrips")
    void scrambledTensorsGiveTheCratesBytes(String file, JsonNode entry) throws IOException {
        if (!entry.has("input")) {
            assertThat(entry.get("byte_equal").asBoolean()).isFalse();
            return;
        }
        JsonNode input = Testdata.json("safetensors/roundtrip/" + entry.get("input").asText());
        List<TensorInfo> tensors = new ArrayList<>();
        Map<String, byte[]> bytes = new HashMap<>();
        for (JsonNode tensor : input.get("tensors")) {
            var shape =
                    SafetensorsFixturesTest.elementsOrNone(tensor.get("shape"))
                            .mapToLong(JsonNode::asLong)
                            .toArray();
            var dtype = DType.of(tensor.get("dtype").asText()).orElseThrow();
            String name = tensor.get("name").asText();
            tensors.add(new TensorInfo(name, dtype, Shape.of(shape)));
            bytes.put(name, Base64.getDecoder().decode(tensor.get("data_base64").asText()));
        }
        Map<String, String> metadata = new HashMap<>();
        input.path("metadata")
                .properties()
                .forEach(field -> metadata.put(field.getKey(), field.getValue().asText()));
        Path out = folder.resolve("out.safetensors");
        try (var writer = SafetensorsWriter.create(out, tensors, metadata)) {
            for (var tensor : bytes.entrySet()) {
                writer.write(tensor.getKey(), 0, MemorySegment.ofArray(tensor.getValue()));
            }
        }
        assertThat(out).hasSameBinaryContentAs(Testdata.path("safetensors/roundtrip/" + file));
    }

    @Test
    void existingFileIsNotTouched() throws IOException {
        Path file = Files.writeString(folder.resolve("there"), "precious");
        assertThatThrownBy(() -> SafetensorsWriter.create(file, List.of(), Map.of()).close())
                .isInstanceOf(FileAlreadyExistsException.class);
        assertThat(file).hasContent("precious");
    }

    @Test
    void bytesBeyondTheTensorAreRefused() throws IOException {
        var info = new TensorInfo("x", DType.F32, Shape.of(2));
        try (var writer = SafetensorsWriter.create(folder.resolve("f"), List.of(info), Map.of())) {
            assertThatThrownBy(() -> writer.write("x", 4, MemorySegment.ofArray(new byte[5])))
                    .isInstanceOf(IndexOutOfBoundsException.class);
        }
    }

    private static void assertSameContent(Path copy, Path original) throws IOException {
        try (var left = SafetensorsReader.open(copy);
                var right = SafetensorsReader.open(original)) {
            assertThat(left.tensors()).isEqualTo(right.tensors());
            assertThat(left.metadata()).isEqualTo(right.metadata());
            for (var info : left.tensors()) {
                assertThat(left.bytes(info.name()).mismatch(right.bytes(info.name())))
                        .isEqualTo(-1);
            }
        }
    }
}
