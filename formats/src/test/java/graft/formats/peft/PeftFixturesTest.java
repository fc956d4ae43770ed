package graft.formats.peft;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.JsonNode;

import graft.formats.FormatException;
import graft.formats.Testdata;
import graft.formats.safetensors.SafetensorsReader;
import graft.formats.tensor.Elements;
import graft.formats.tensor.TensorInfo;
import graft.formats.tensor.TensorSource;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Set;
import java.util.stream.Stream;

/**
 * Adapters that peft wrote, merged by peft itself; and broken ones, most of which peft would load.
 */
class PeftFixturesTest {
    /** Readable headers, unusable numbers: found when the factors are read (ReduceAdapterTest). */
    private static final Set<String> BROKEN_VALUES = Set.of("nan_value", "inf_value");

    /** Sound, but not handled by this version: refused by name. */
    private static final Set<String> NOT_YET = Set.of("dora_linear", "lora_bias", "ia3");

    static Stream<String> refused() throws IOException {
        return cases().filter(name -> !accepted(name) && !BROKEN_VALUES.contains(name));
    }

    static Stream<String> merged() throws IOException {
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
        return Files.exists(Testdata.path("adapters/" + name + "/golden.safetensors"))
                && !NOT_YET.contains(name);
    }

    @ParameterizedTest
    @MethodSource("refused")
    void whatIsNotUnderstoodIsRefused(String name) {
        Path folder = Testdata.path("adapters/" + name + "/adapter");
        assertThatThrownBy(() -> PeftAdapter.open(folder).close())
                .isInstanceOf(FormatException.class)
                .hasMessageStartingWith(folder.toString())
                .hasMessageNotContainingAny("\n");
    }

    @ParameterizedTest
    @ValueSource(strings = {"type_oft", "dora_linear", "unknown_config_field", "pissa_unconverted"})
    void refusalNamesTheCause(String name) {
        String cause =
                switch (name) {
                    case "type_oft" -> "'OFT'";
                    case "dora_linear" -> "use_dora";
                    case "pissa_unconverted" -> "'pissa";
                    default -> "field '";
                };
        assertThatThrownBy(() ->
                        PeftAdapter.open(Testdata.path("adapters/" + name + "/adapter")).close())
                .hasMessageContaining(cause);
    }

    /** Base + s·B·A against peft's merged checkpoint, tensor by tensor. */
    @ParameterizedTest
    @MethodSource("merged")
    void mergedWeightsEqualPefts(String name) throws IOException {
        Path folder = Testdata.path("adapters/" + name);
        JsonNode expected = Testdata.json("adapters/" + name + "/case.json");
        Path base = folder.resolve("..").resolve(expected.get("base_file").asText());
        double abs = expected.at("/tolerance/abs").asDouble();
        double rel = expected.at("/tolerance/rel").asDouble();
        try (var adapter = PeftAdapter.open(folder.resolve("adapter"));
                var before = SafetensorsReader.open(base.normalize());
                var golden = SafetensorsReader.open(folder.resolve("golden.safetensors"))) {
            int changed = 0;
            for (LoraModule module : adapter.modules()) {
                float[] delta = delta(adapter, module);
                String tensor = tensorOf(before, module);
                float[] from = floats(before, tensor);
                float[] to = floats(golden, tensor);
                for (int i = 0; i < to.length; i++) {
                    double got = (double) from[i] + delta[i];
                    assertThat(got)
                            .as("%s[%d]", tensor, i)
                            .isCloseTo(to[i], within(abs + rel * Math.abs(to[i])));
                }
                changed += isZero(delta) ? 0 : 1;
            }
            for (TensorInfo other : adapter.others()) {
                String tensor = PeftAdapter.baseName(other);
                assertThat(adapter.bytes(other).mismatch(golden.bytes(tensor))).isEqualTo(-1);
                changed++;
            }
            assertThat(changed).isEqualTo(expected.get("changed").size());
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

    private static boolean isZero(float[] values) {
        for (float value : values) {
            if (value != 0) {
                return false;
            }
        }
        return true;
    }

    /** Modules of the fixtures' bases are called as in the checkpoint, or lack a prefix. */
    private static String tensorOf(TensorSource base, LoraModule module) {
        String name = module.name() + ".weight";
        return base.find(name).isPresent() ? name : name.replaceFirst("^model\\.", "");
    }

    private static float[] delta(PeftAdapter adapter, LoraModule module) {
        float[] a = floats(adapter.bytes(module.a()), module.a());
        float[] b = floats(adapter.bytes(module.b()), module.b());
        float[] delta = new float[module.out() * module.in()];
        for (int i = 0; i < module.out(); i++) {
            for (int j = 0; j < module.in(); j++) {
                double sum = 0;
                for (int l = 0; l < module.rank(); l++) {
                    sum += (double) b[i * module.rank() + l] * a[l * module.in() + j];
                }
                delta[i * module.in() + j] = (float) (module.scale() * sum);
            }
        }
        return delta;
    }

    private static float[] floats(TensorSource source, String tensor) {
        return floats(source.bytes(tensor), source.find(tensor).orElseThrow());
    }

    private static float[] floats(MemorySegment bytes, TensorInfo info) {
        float[] values = new float[(int) info.shape().elements()];
        Elements.widen(info.dtype(), bytes, 0, values, 0, values.length);
        return values;
    }
}
