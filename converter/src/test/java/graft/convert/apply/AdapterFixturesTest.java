package graft.convert.apply;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;

import graft.convert.ConversionException;
import graft.convert.plan.Progress;
import graft.formats.FormatException;
import graft.formats.MalformedFileException;
import graft.formats.UnsupportedFeatureException;

import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.TreeMap;
import java.util.stream.Stream;

/**
 * Every adapter fixture: merged ones against the checkpoints that peft 0.21.2 and diffusers made of
 * them, refused ones by the kind of error. {@code GRAFT_FIXTURES} names a folder with all of them;
 * the project's own test data holds goldens as hashes where the merge is bit-equal.
 */
class AdapterFixturesTest {
    private static final Path ROOT = root();
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final TreeMap<String, String> TABLE = new TreeMap<>();
    private static int accepted;
    private static int refused;
    private static int mismatches;

    @TempDir Path folder;

    private static Path root() {
        String all = System.getenv("GRAFT_FIXTURES");
        return all == null
                ? Path.of(System.getProperty("graft.testdata"), "adapters")
                : Path.of(all, "adapters");
    }

    static Stream<String> cases() throws IOException {
        try (var entries = Files.list(ROOT)) {
            return entries
                    .filter(entry -> Files.exists(entry.resolve("case.json")))
                    .map(entry -> entry.getFileName().toString())
                    .sorted()
                    .toList()
                    .stream();
        }
    }

    @ParameterizedTest
    @MethodSource("cases")
    void verdictIsMet(String name) throws IOException {
        JsonNode expected = JSON.readTree(ROOT.resolve(name).resolve("case.json").toFile());
        mismatches++; // until the end of the test proves otherwise
        String verdict = expected.get("expect").asText();
        @Nullable IOException error = null;
        try {
            merge(expected, name, Rounding.ONCE, folder.resolve("once"), false);
            merge(expected, name, Rounding.PEFT, folder.resolve("peft"), false);
        } catch (FormatException | ConversionException e) {
            error = e;
        }
        if (error != null) {
            String also = expected.path("also_acceptable").asText();
            assertThat(verdict.equals("reject") || also.equals("reject"))
                    .as("%s", error.getMessage())
                    .isTrue();
            checkKind(expected.path("code").asText(), error);
            TABLE.put(
                    name,
                    "refused   %s"
                            .formatted(String.valueOf(error.getMessage()).replace(ROOT + "/", "")));
            refused++;
        } else {
            String also = expected.path("also_acceptable").asText();
            assertThat(verdict.equals("merge") || also.equals("merge")).as(name).isTrue();
            var rows = new ArrayList<String>();
            for (String mode : List.of("once", "peft")) {
                for (Golden golden : goldens(expected, name, folder.resolve(mode))) {
                    assertThat(golden.mismatch()).as("%s, rounding %s", name, mode).isEmpty();
                    rows.add(
                            "%s: %d tensors, %d of %d elements not bit-equal, %.3f of the tolerance"
                                    .formatted(
                                            mode,
                                            golden.tensors(),
                                            golden.different(),
                                            golden.elements(),
                                            golden.worst()));
                }
            }
            TABLE.put(name, "accepted  " + String.join(" · ", rows));
            accepted++;
        }
        mismatches--;
    }

    @AfterAll
    static void table() throws IOException {
        var text = new StringBuilder();
        TABLE.forEach((name, row) -> text.append("%-36s %s%n".formatted(name, row)));
        text.append(
                "%d cases: %d accepted, %d refused, mismatches = %d%n"
                        .formatted(accepted + refused + mismatches, accepted, refused, mismatches));
        Files.writeString(Path.of("target", "adapter-fixtures.txt"), text);
    }

    /** The initial adapter makes an unconverted PiSSA adapter applicable. */
    @org.junit.jupiter.api.Test
    void initialAdapterUndoesWhatPissaDidToTheBase() throws IOException {
        String name = "pissa_unconverted";
        JsonNode expected = JSON.readTree(ROOT.resolve(name).resolve("case.json").toFile());
        merge(expected, name, Rounding.ONCE, folder.resolve("once"), true);
        JsonNode initial = expected.get("with_initial_adapter");
        Golden golden =
                Golden.compare(
                        folder.resolve("once/base.safetensors"),
                        ROOT.resolve(expected.get("base_file").asText()),
                        ROOT.resolve(name).resolve(initial.get("golden").asText()),
                        JSON.createObjectNode(),
                        initial.get("tolerance"));
        assertThat(golden.mismatch()).isEmpty();
        assertThat(golden.tensors()).isPositive();
    }

    private static void merge(
            JsonNode expected, String name, Rounding rounding, Path output, boolean withInitial)
            throws IOException {
        Path home = ROOT.resolve(name);
        Path adapter =
                expected.has("adapter_file")
                        ? home.resolve(expected.get("adapter_file").asText())
                        : home.resolve(expected.path("adapter_dir").asText("adapter"));
        List<AdapterRequest.Base> bases = new ArrayList<>();
        if (expected.has("base_file")) {
            Path base = ROOT.resolve(expected.get("base_file").asText());
            bases.add(new AdapterRequest.Base("", base, base.toString()));
        } else {
            for (var file : expected.get("base_files").properties()) {
                Path base = ROOT.resolve(file.getValue().asText());
                bases.add(new AdapterRequest.Base(file.getKey(), base, base.toString()));
            }
        }
        new ApplyAdapter()
                .run(
                        new AdapterRequest(
                                adapter,
                                name,
                                bases,
                                withInitial
                                        ? home.resolve(
                                                expected.at("/with_initial_adapter/dir").asText())
                                        : null,
                                rounding,
                                output,
                                false,
                                1,
                                Progress.NONE));
    }

    private static List<Golden> goldens(JsonNode expected, String name, Path merged)
            throws IOException {
        Path home = ROOT.resolve(expected.path("same_result_as").asText(name));
        JsonNode hashes = JSON.createObjectNode();
        Path file = home.resolve("golden.sha256.json");
        if (Files.exists(file)) {
            hashes = JSON.readTree(file.toFile());
        }
        List<Golden> all = new ArrayList<>();
        if (expected.has("base_file")) {
            all.add(
                    Golden.compare(
                            merged.resolve("base.safetensors"),
                            ROOT.resolve(expected.get("base_file").asText()),
                            home.resolve("golden.safetensors"),
                            hashes.path(""),
                            expected.get("tolerance")));
        } else {
            for (var component : expected.get("goldens").properties()) {
                String key = component.getKey();
                all.add(
                        Golden.compare(
                                merged.resolve(key).resolve("base.safetensors"),
                                ROOT.resolve(expected.at("/base_files/" + key).asText()),
                                home.resolve(component.getValue().asText()),
                                hashes.path(key),
                                expected.get("tolerance")));
            }
        }
        return all;
    }

    /** Each code of the fixtures has its type and its words. */
    private static void checkKind(String code, IOException error) {
        Class<?> type;
        String words;
        switch (code) {
            case "unsupported_type" -> {
                type = UnsupportedFeatureException.class;
                words = "PEFT type '";
            }
            case "unsupported_field" -> {
                type = UnsupportedFeatureException.class;
                words = "(is not handled|save_projection is false)";
            }
            case "unknown_field" -> {
                type = UnsupportedFeatureException.class;
                words = "field '\\w+' is not understood";
            }
            case "mutated_base" -> {
                type = UnsupportedFeatureException.class;
                words = "changed the base";
            }
            case "unsupported_regex" -> {
                type = UnsupportedFeatureException.class;
                words = "is no expression Graft can match";
            }
            case "unknown_tensor", "unsupported_tensor" -> {
                type = UnsupportedFeatureException.class;
                words = "(nothing that Graft knows of|has no place in this adapter)";
            }
            case "mixed_dialect" -> {
                type = UnsupportedFeatureException.class;
                words = "mixes the names of diffusers and kohya";
            }
            case "bad_config" -> {
                type = MalformedFileException.class;
                words = "not valid JSON";
            }
            case "rank_mismatch" -> {
                type = MalformedFileException.class;
                words = "(rank \\d+|shape \\[0, 32\\])";
            }
            case "incomplete_pair" -> {
                type = MalformedFileException.class;
                words = "has no lora_\\w+ beside it";
            }
            case "unmatched_module" -> {
                type = ConversionException.BaseMismatch.class;
                words = "has nothing like \\d+ of \\d+ modules: '";
            }
            case "ambiguous_module" -> {
                type = ConversionException.BaseMismatch.class;
                words = "may be 'blocks.+' or 'blocks";
            }
            case "ambiguous_orientation" -> {
                type = ConversionException.BaseMismatch.class;
                words = "is square, and peft 0.17.1";
            }
            case "shape_mismatch" -> {
                type = ConversionException.BaseMismatch.class;
                words = "is 28×32, the base's";
            }
            case "no_base_bias" -> {
                type = ConversionException.BaseMismatch.class;
                words = "has a lora_bias, but no bias";
            }
            case "non_finite" -> {
                type = ConversionException.UnusableValues.class;
                words = "would be (NaN|-?Infinity)";
            }
            default -> throw new AssertionError("no expectation for code " + code);
        }
        assertThat(error).isInstanceOf(type);
        assertThat(error.getMessage()).containsPattern(words).doesNotContain("\n");
    }
}
