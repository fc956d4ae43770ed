package graft.formats.peft;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.JsonNode;

import graft.formats.FormatException;
import graft.formats.Testdata;
import graft.formats.tensor.TensorInfo;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashSet;
import java.util.Set;
import java.util.stream.Stream;

/** Adapters that peft wrote; and broken ones, most of which peft would load. */
class PeftFixturesTest {
    /** What only the base, or the values, can tell: the converter's AdapterFixturesTest. */
    private static final Set<String> LATER =
            Set.of(
                    "non_finite",
                    "shape_mismatch",
                    "unmatched_module",
                    "ambiguous_module",
                    "ambiguous_orientation",
                    "no_base_bias");

    static Stream<String> refused() throws IOException {
        return cases().filter(name -> !accepted(name));
    }

    static Stream<String> read() throws IOException {
        return cases().filter(PeftFixturesTest::accepted);
    }

    private static Stream<String> cases() throws IOException {
        try (var entries = Files.list(Testdata.path("adapters"))) {
            return entries
                    .filter(entry -> Files.exists(entry.resolve("case.json")))
                    .map(entry -> entry.getFileName().toString())
                    .sorted()
                    .toList()
                    .stream();
        }
    }

    private static boolean accepted(String name) {
        JsonNode expected = expected(name);
        return expected.get("expect").asText().equals("merge")
                || LATER.contains(expected.path("code").asText());
    }

    private static JsonNode expected(String name) {
        try {
            return Testdata.json("adapters/" + name + "/case.json");
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static Path adapter(String name) {
        JsonNode expected = expected(name);
        String path = expected.path("adapter_dir").asText("adapter");
        return Testdata.path("adapters/" + name)
                .resolve(expected.path("adapter_file").asText(path));
    }

    @ParameterizedTest
    @MethodSource("refused")
    void whatIsNotUnderstoodIsRefused(String name) {
        Path folder = adapter(name);
        assertThatThrownBy(() -> PeftAdapter.open(folder).close())
                .isInstanceOf(FormatException.class)
                .hasMessageStartingWith(folder.toString())
                .hasMessageNotContainingAny("\n");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "type_oft",
                "magnitude_without_dora",
                "unknown_config_field",
                "pissa_unconverted"
            })
    void refusalNamesTheCause(String name) {
        String cause =
                switch (name) {
                    case "type_oft" -> "'OFT'";
                    case "magnitude_without_dora" -> "lora_magnitude_vector has no place";
                    case "pissa_unconverted" -> "'pissa";
                    default -> "field '";
                };
        assertThatThrownBy(() -> PeftAdapter.open(adapter(name)).close())
                .hasMessageContaining(cause);
    }

    /** Every tensor has its part in one change; what the changes do, the converter's tests say. */
    @ParameterizedTest
    @MethodSource("read")
    void everyTensorHasAPlace(String name) throws IOException {
        try (var adapter = PeftAdapter.open(adapter(name))) {
            assertThat(adapter.dialect()).isEqualTo(expected(name).get("dialect").asText());
            var used = new HashSet<TensorInfo>();
            adapter.changes().forEach(change -> used.addAll(change.tensors()));
            assertThat(adapter.tensors().tensors())
                    .filteredOn(info -> !used.contains(info))
                    .allMatch(info ->
                            info.name().endsWith(".alpha")
                                    || info.name().contains(".original_module.")
                                    || info.name().endsWith(".modules_to_save.bias"));
        }
    }

    @Test
    void firstMatchingPatternInFileOrderWins() throws IOException {
        try (var adapter = PeftAdapter.open(Testdata.path("adapters/rank_alpha_pattern/adapter"))) {
            LoraModule q =
                    adapter.modules().stream()
                            .filter(m -> m.name().equals("model.layers.0.self_attn.q_proj"))
                            .findFirst()
                            .orElseThrow();
            assertThat(q.rank()).isEqualTo(3);
            assertThat(q.scale()).isCloseTo(5.0 / 3, within(1e-15));
        }
    }
}
