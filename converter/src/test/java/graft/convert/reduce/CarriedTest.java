package graft.convert.reduce;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import graft.convert.ConversionException;
import graft.convert.lowrank.AdapterCut;
import graft.convert.lowrank.RankRule;
import graft.convert.testing.Checkpoints;
import graft.convert.testing.Deltas;
import graft.formats.UnsupportedFeatureException;
import graft.formats.peft.AdapterProfile;
import graft.formats.peft.PeftAdapter;
import graft.formats.safetensors.SafetensorsReader;
import graft.formats.safetensors.SafetensorsWriter;
import graft.formats.tensor.DType;
import graft.formats.tensor.TensorInfo;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Function;

/** What lies in an adapter beside plain factors, and adapters that are not peft's. */
class CarriedTest {
    private static final Path ADAPTERS =
            Path.of(System.getProperty("graft.testdata")).resolve("adapters");

    @TempDir Path folder;

    @Test
    void biasOfBTakesTheScale() throws IOException {
        Path out = run("lora_bias", new RankRule.Lossless(), AdapterProfile.pattern);
        try (var before = PeftAdapter.open(ADAPTERS.resolve("lora_bias/adapter"));
                var after = PeftAdapter.open(out)) {
            assertThat(after.modules()).hasSameSizeAs(before.modules());
            int checked = 0;
            for (var module : before.modules()) {
                TensorInfo bias = module.bias();
                if (bias != null) {
                    float[] old = Checkpoints.values(before.tensors(), bias.name());
                    float[] now = Checkpoints.values(after.tensors(), bias.name());
                    for (int i = 0; i < old.length; i++) {
                        assertThat((double) now[i])
                                .isCloseTo(
                                        module.scale() * old[i], within(1e-6 * Math.abs(old[i])));
                    }
                    checked++;
                }
            }
            assertThat(checked).isPositive();
        }
        assertThat(Files.readString(out.resolve("adapter_config.json")))
                .contains("\"lora_bias\" : true");
    }

    @Test
    void biasIsNotLostWithItsModule() {
        assertThatThrownBy(() ->
                        run("lora_bias", new RankRule.Parameters(100, 0), AdapterProfile.pattern))
                .isInstanceOf(ConversionException.UnusableValues.class)
                .hasMessageContaining("lora_bias");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "modules_to_save",
                "bias_all",
                "bias_lora_only",
                "trainable_tokens_list",
                "trainable_tokens_dict"
            })
    void whatIsReplacedPassesThroughUnchanged(String name) throws IOException {
        Path out = run(name, new RankRule.Fixed(1), AdapterProfile.pattern);
        try (var before = PeftAdapter.open(ADAPTERS.resolve(name + "/adapter"));
                var after = PeftAdapter.open(out)) {
            int carried = 0;
            for (var change : before.changes()) {
                if (!(change instanceof graft.formats.peft.LoraModule)) {
                    TensorInfo info = change.tensors().getFirst();
                    assertThat(after.changes()).contains(change);
                    assertThat(before.bytes(info).mismatch(after.bytes(info))).isEqualTo(-1);
                    carried++;
                }
            }
            assertThat(carried).isPositive();
        }
    }

    /** Read and written as sd-scripts does: scale α/rank, α a tensor. */
    @ParameterizedTest(name = "{0}")
    @CsvSource({"kohya_sd15", "kohya_conv", "kohya_fp16", "kohya_missing_alpha"})
    void kohyaStaysKohyaAndKeepsItsUpdate(String name) throws IOException {
        Path out = folder.resolve("out");
        Path source = ADAPTERS.resolve(name + "/adapter/lora.safetensors");
        var policy =
                new AdapterCut.Policy(
                        new RankRule.Lossless(), AdapterProfile.pattern, Optional.of(DType.F32));
        new ReduceAdapter().run(ReduceRequest.of(source, name, policy, out));
        assertThat(out.resolve("adapter_config.json")).doesNotExist();
        Path written = out.resolve("lora.safetensors");
        assertSame(Deltas.byKohya(source), Deltas.byKohya(written), 1e-6);
        try (var file = SafetensorsReader.open(written)) {
            for (TensorInfo info : file.tensors()) {
                if (info.name().endsWith(".alpha")) {
                    String down = info.name().replace(".alpha", ".lora_down.weight");
                    float alpha = Checkpoints.values(file, info.name())[0];
                    assertThat((long) alpha)
                            .isEqualTo(file.find(down).orElseThrow().shape().extent(0));
                }
            }
        }
        PeftAdapter.open(out).close(); // and Graft itself reads it
    }

    @Test
    void diffusersStaysDiffusersAtOneRank() throws IOException {
        Path source =
                ADAPTERS.resolve("diffusers_peft_keys/adapter/pytorch_lora_weights.safetensors");
        Path out = folder.resolve("out");
        new ReduceAdapter().run(ReduceRequest.of(source, "lora", new RankRule.Energy(0.7), out));
        Path written = out.resolve("pytorch_lora_weights.safetensors");
        Map<String, double[][]> before = Deltas.byDiffusers(source);
        Map<String, double[][]> after = Deltas.byDiffusers(written);
        assertThat(after.keySet()).isEqualTo(before.keySet());
        before.forEach((module, delta) ->
                assertThat(Deltas.distance(delta, after.get(module)))
                        .isLessThan(Math.sqrt(0.3) * Deltas.norm(delta)));
        try (var file = SafetensorsReader.open(written)) {
            assertThat(
                            file.tensors().stream()
                                    .filter(info -> info.name().contains("lora_A"))
                                    .map(info -> info.shape().extent(0))
                                    .distinct())
                    .hasSize(1);
        }
    }

    @Test
    void diffusersBecomesKohyaByName() throws IOException {
        assertBecomesKohya(
                ADAPTERS.resolve("diffusers_peft_keys/adapter/pytorch_lora_weights.safetensors"),
                Map.of("unet", "lora_unet_", "text_encoder", "lora_te_"));
    }

    /** Tools look for a number where a model has several text encoders. */
    @Test
    void severalTextEncodersAreNumbered() throws IOException {
        var prefixes =
                Map.of(
                        "unet", "lora_unet_",
                        "text_encoder", "lora_te1_",
                        "text_encoder_2", "lora_te2_");
        Path two =
                renamed(name ->
                        name.startsWith("text_encoder.")
                                ? List.of(name, name.replace("text_encoder.", "text_encoder_2."))
                                : List.of(name));
        assertBecomesKohya(two, prefixes);
    }

    /** Of text encoders alone, the second tells that there are two. */
    @Test
    void textEncodersWithoutUnetAreNumberedWhereThereAreTwo() throws IOException {
        Path two =
                renamed(name ->
                        name.startsWith("text_encoder.")
                                ? List.of(name, name.replace("text_encoder.", "text_encoder_2."))
                                : List.of());
        assertBecomesKohya(two, Map.of("text_encoder", "lora_te1_", "text_encoder_2", "lora_te2_"));
    }

    /** SDXL's UNet alone has more than one transformer block in a row. */
    @Test
    void unetOfSdxlTellsThatThereAreSeveralTextEncoders() throws IOException {
        Path sdxl =
                renamed(name ->
                        List.of(name.replace("transformer_blocks.0", "transformer_blocks.1")));
        assertBecomesKohya(sdxl, Map.of("unet", "lora_unet_", "text_encoder", "lora_te1_"));
    }

    /** An adapter of diffusers, each tensor under other names. */
    private Path renamed(Function<String, List<String>> names) throws IOException {
        Path source =
                ADAPTERS.resolve("diffusers_peft_keys/adapter/pytorch_lora_weights.safetensors");
        Path copy = Files.createDirectory(folder.resolve("renamed")).resolve(source.getFileName());
        try (var file = SafetensorsReader.open(source)) {
            List<TensorInfo> infos = new ArrayList<>();
            Map<String, String> sources = new LinkedHashMap<>();
            for (TensorInfo info : file.tensors()) {
                for (String name : names.apply(info.name())) {
                    infos.add(new TensorInfo(name, info.dtype(), info.shape()));
                    sources.put(name, info.name());
                }
            }
            try (var writer = SafetensorsWriter.create(copy, infos, Map.of())) {
                for (var entry : sources.entrySet()) {
                    writer.write(entry.getKey(), 0, file.bytes(entry.getValue()));
                }
            }
        }
        return copy;
    }

    private void assertBecomesKohya(Path source, Map<String, String> prefixes) throws IOException {
        Path out = folder.resolve("out");
        var policy =
                new AdapterCut.Policy(
                        new RankRule.Lossless(), AdapterProfile.kohya, Optional.of(DType.F32));
        new ReduceAdapter().run(ReduceRequest.of(source, "lora", policy, out));
        Map<String, double[][]> before = Deltas.byDiffusers(source);
        Map<String, double[][]> after = Deltas.byKohya(out.resolve("lora.safetensors"));
        assertThat(after).hasSameSizeAs(before);
        before.forEach((module, delta) -> {
            int dot = module.indexOf('.');
            String prefix = prefixes.get(module.substring(0, dot));
            String path = prefix + module.substring(dot + 1).replace('.', '_');
            assertThat(after).containsKey(path);
            assertThat(Deltas.distance(delta, after.get(path)))
                    .isLessThan(1e-6 * Deltas.norm(delta));
        });
    }

    /** peft converts DoRA and drops the magnitude without a word. */
    @ParameterizedTest
    @CsvSource({"dora_linear,magnitude", "loha,LoHa", "target_parameters_3d,parameter"})
    void whatHasNoLowerRankIsRefusedWithItsReason(String name, String reason) {
        assertThatThrownBy(() -> run(name, new RankRule.Fixed(2), AdapterProfile.pattern))
                .isInstanceOf(UnsupportedFeatureException.class)
                .hasMessageContaining(reason);
        assertThat(folder).isEmptyDirectory();
    }

    private Path run(String name, RankRule rule, AdapterProfile profile) throws IOException {
        Path out = folder.resolve("out");
        Path source = ADAPTERS.resolve(name + "/adapter");
        var policy = new AdapterCut.Policy(rule, profile, Optional.empty());
        new ReduceAdapter().run(ReduceRequest.of(source, name, policy, out));
        return out;
    }

    private static void assertSame(
            Map<String, double[][]> expected, Map<String, double[][]> actual, double relative) {
        assertThat(actual.keySet()).isEqualTo(expected.keySet());
        expected.forEach((module, delta) ->
                assertThat(Deltas.distance(delta, actual.get(module)))
                        .as(module)
                        .isLessThan(relative * Deltas.norm(delta)));
    }
}
