package graft.formats.checkpoint;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.catchThrowable;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;

import graft.formats.FormatException;
import graft.formats.MalformedFileException;
import graft.formats.Testdata;
import graft.formats.Verdicts;
import graft.formats.safetensors.SafetensorsReader;

import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import java.util.stream.StreamSupport;

/** Sharded checkpoints by huggingface_hub, whole and broken, with the verdict asked of us. */
class ShardFixturesTest {
    /** Where our rule has another name than the manifest's advisory code. */
    private static final Map<String, String> OTHER_CODE =
            Map.of(
                    "corrupt_shard",
                    "safetensors/truncated_data",
                    // its index is not JSON at all: the generator wrote the entry it took out
                    "name_missing_in_index",
                    "index/bad_index");

    private static final Verdicts VERDICTS = new Verdicts("safetensors, sharded");

    static Stream<Arguments> sharded() throws IOException {
        JsonNode cases = Testdata.json("safetensors/sharded/manifest.json").get("cases");
        return StreamSupport.stream(cases.spliterator(), false)
                .map(entry -> Arguments.of(entry.get("dir").asText(), entry));
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("sharded")
    void verdictIsMet(String dir, JsonNode entry) {
        Path path = Testdata.path("safetensors/sharded/" + dir);
        boolean accept = entry.get("strict").asText().equals("accept");
        VERDICTS.check(
                dir,
                accept,
                () -> {
                    if (accept) {
                        isRead(path, entry);
                    } else {
                        isRefused(path, dir, entry.get("code").asText());
                    }
                });
    }

    private static void isRefused(Path path, String dir, String code) {
        Throwable error = catchThrowable(() -> Checkpoint.open(path).close());
        if (code.equals("missing_shard")) {
            assertThat(error).isInstanceOf(NoSuchFileException.class);
            return;
        }
        assertThat(error).isInstanceOf(FormatException.class);
        assertThat(((FormatException) error).rule())
                .hasValueSatisfying(rule ->
                        assertThat(rule.code())
                                .isEqualTo(OTHER_CODE.getOrDefault(dir, "index/" + code)));
    }

    private static void isRead(Path path, JsonNode entry) throws IOException {
        try (var checkpoint = Checkpoint.open(path)) {
            assertThat(checkpoint.warnings().isEmpty()).isEqualTo(!entry.path("warn").asBoolean());
            if (entry.has("golden")) {
                Path golden = Testdata.path("safetensors/sharded/" + entry.get("golden").asText());
                try (var expected = SafetensorsReader.open(golden)) {
                    assertThat(checkpoint.tensors())
                            .containsExactlyInAnyOrderElementsOf(expected.tensors());
                    for (var info : expected.tensors()) {
                        var bytes = checkpoint.bytes(info.name());
                        assertThat(bytes.mismatch(expected.bytes(info.name()))).isEqualTo(-1);
                    }
                }
            }
        }
    }

    /** What the fixture name_missing_in_index is meant to be. */
    @Test
    void tensorThatTheIndexLacksIsRefused(@TempDir Path folder) throws IOException {
        Path good = Testdata.path("safetensors/sharded/good");
        try (var files = Files.list(good)) {
            for (Path file : files.toList()) {
                Files.copy(file, folder.resolve(file.getFileName()));
            }
        }
        Path index = folder.resolve("model.safetensors.index.json");
        var json = (ObjectNode) new ObjectMapper().readTree(index.toFile());
        ((ObjectNode) json.get("weight_map")).remove("step");
        Files.writeString(index, json.toString());
        assertThatThrownBy(() -> Checkpoint.open(folder).close())
                .isInstanceOf(MalformedFileException.class)
                .hasMessage(index + ": tensor 'step': is in a shard but not in weight_map");
    }

    /** The formats of one model are one source, whatever they are called. */
    @ParameterizedTest
    @CsvSource({"pytorch_model.bin", "weights.pt", "weights.PTH"})
    void pickledFileIsACheckpoint(String name, @TempDir Path folder) throws IOException {
        Path from = Testdata.path("pickle/valid/zip_module_state_dict.pt");
        Path file = Files.copy(from, folder.resolve(name));
        try (var alone = Checkpoint.open(file)) {
            assertThat(alone.tensors()).isNotEmpty();
            if (name.equals("pytorch_model.bin")) {
                try (var inFolder = Checkpoint.open(folder)) {
                    assertThat(inFolder.tensors()).isEqualTo(alone.tensors());
                    assertThat(inFolder.files()).containsExactly(file);
                }
            }
        }
    }

    @Test
    void pickledShardsAreOneCheckpoint(@TempDir Path folder) throws IOException {
        Path valid = Testdata.path("pickle/valid");
        Files.copy(valid.resolve("zip_flat_storage.pt"), folder.resolve("pytorch_model-1.bin"));
        Files.copy(valid.resolve("zip_parameter.pt"), folder.resolve("pytorch_model-2.bin"));
        var weightMap = new ObjectMapper().createObjectNode();
        int expected = 0;
        for (int shard = 1; shard <= 2; shard++) {
            String name = "pytorch_model-%d.bin".formatted(shard);
            try (var one = Checkpoint.open(folder.resolve(name))) {
                one.tensors().forEach(info -> weightMap.put(info.name(), name));
                expected += one.tensors().size();
            }
        }
        Path index = folder.resolve("pytorch_model.bin.index.json");
        Files.writeString(index, "{\"weight_map\": %s}".formatted(weightMap));
        for (Path path : List.of(folder, index)) {
            try (var checkpoint = Checkpoint.open(path)) {
                assertThat(checkpoint.tensors()).hasSize(expected);
                assertThat(checkpoint.files()).hasSize(2);
            }
        }
        Files.writeString(index, "{\"weight_map\": {\"a\": \"model.safetensors\"}}");
        assertThatThrownBy(() -> Checkpoint.open(folder).close())
                .hasMessageContaining("'model.safetensors' is not the plain name of a pickle file");
    }

    @AfterAll
    static void printTable() {
        VERDICTS.print();
    }
}
