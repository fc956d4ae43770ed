package graft.formats.pickle;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowable;

import com.fasterxml.jackson.databind.JsonNode;

import graft.formats.FormatException;
import graft.formats.Testdata;
import graft.formats.Verdicts;
import graft.formats.safetensors.SafetensorsReader;

import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.stream.Stream;
import java.util.stream.StreamSupport;

/** Files of torch and of attackers on unpicklers, with the verdict asked of a strict reader. */
class PickleFixturesTest {
    /** Accepted by us where the verdict leaves the choice, with the reason. */
    private static final Map<String, String> ACCEPTED_BY_CHOICE =
            Map.of(
                    "malicious/zip_crc.pt", "checksums of storages are not read to open a file",
                    "malicious/zip_many_entries.pt", "entries without use harm nobody");

    /** Refused for another reason, which the file gives too and a reader meets first. */
    private static final Map<String, PickleRule> OTHER_RULE =
            Map.of(
                    "malicious/obj_opcode.pt", PickleRule.FORBIDDEN_GLOBAL,
                    "malicious/proto0_text.pt", PickleRule.FORBIDDEN_GLOBAL,
                    "malicious/memo_flood.pt", PickleRule.BAD_STRUCTURE,
                    "malicious/deep_lists.pt", PickleRule.BAD_STRUCTURE,
                    "malicious/deep_tuples.pt", PickleRule.BAD_STRUCTURE,
                    "malicious/zip_prefix_safetensors.pt", PickleRule.WRONG_FORMAT);

    private static final Verdicts VERDICTS = new Verdicts("pickle");

    static Stream<Arguments> files() throws IOException {
        return StreamSupport.stream(
                        Testdata.json("pickle/manifest.json").get("files").spliterator(), false)
                .map(entry -> Arguments.of(entry.get("file").asText(), entry));
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("files")
    @Timeout(30)
    void verdictIsMet(String file, JsonNode entry) {
        Path path = Testdata.path("pickle/" + file);
        boolean accept =
                entry.get("strict").asText().equals("accept")
                        || ACCEPTED_BY_CHOICE.containsKey(file);
        if (!entry.get("strict").asText().equals("accept") && accept) {
            assertThat(entry.get("also_acceptable").asText()).isEqualTo("accept");
        }
        VERDICTS.check(
                file,
                accept,
                () -> {
                    if (accept) {
                        isRead(path, entry);
                    } else {
                        PickleRule other = OTHER_RULE.get(file);
                        isRefused(
                                path,
                                other == null
                                        ? "pickle/" + entry.get("code").asText()
                                        : other.code());
                    }
                });
    }

    private static void isRead(Path path, JsonNode entry) throws IOException {
        try (var reader = PickleReader.open(path)) {
            if (!entry.has("golden")) {
                return;
            }
            Path golden = Testdata.path("pickle/" + entry.get("golden").asText());
            try (var expected = SafetensorsReader.open(golden)) {
                assertThat(reader.tensors())
                        .containsExactlyInAnyOrderElementsOf(expected.tensors());
                for (var info : expected.tensors()) {
                    assertThat(reader.bytes(info.name()).mismatch(expected.bytes(info.name())))
                            .as(info.toString())
                            .isEqualTo(-1);
                }
            }
        }
    }

    private static void isRefused(Path path, String code) {
        Throwable error = catchThrowable(() -> PickleReader.open(path).close());
        assertThat(error)
                .isInstanceOf(FormatException.class)
                .hasMessageStartingWith(path.toString())
                .hasMessageNotContainingAny("\n", "\r");
        assertThat(((FormatException) error).rule())
                .hasValueSatisfying(rule -> assertThat(rule.code()).isEqualTo(code));
    }

    @AfterAll
    static void nothingWasExecuted() {
        VERDICTS.print();
        assertThat(Files.exists(Path.of("GRAFT_MARKER_EXECUTED"))).isFalse();
    }
}
