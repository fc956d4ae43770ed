package graft.convert.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

import java.nio.file.Files;
import java.nio.file.Path;

/** Adapters on the command line: inspected, merged, refused. */
class AdapterIT {
    private static final ObjectMapper JSON = new ObjectMapper();

    @TempDir Path folder;

    private static Path adapters(String path) {
        return GraftProcess.testdata("adapters/" + path);
    }

    @ParameterizedTest
    @CsvSource({
        "dora_linear/adapter, peft, LORA, 14, dora linear",
        "kohya_conv/adapter/lora.safetensors, kohya, LORA, 4, convolution",
        "diffusers_metadata/adapter, diffusers, LORA, 8, linear",
        "loha/adapter, peft, LOHA, 4, loha",
        "bin_pickle/adapter, peft, LORA, 14, linear",
    })
    void inspectTellsWhatAnAdapterChanges(
            String adapter, String dialect, String type, int modules, String kind)
            throws Exception {
        var result = new GraftProcess(folder).run("inspect", adapters(adapter), "--json");
        assertThat(result.code()).as(result.err()).isEqualTo(ExitCodes.DONE);
        JsonNode document = JSON.readTree(result.out());
        JsonNode facts = document.get("facts");
        assertThat(document.get("kind").asText()).isEqualTo("adapter");
        assertThat(facts.get("dialect").asText()).isEqualTo(dialect);
        assertThat(facts.get("type").asText()).isEqualTo(type);
        assertThat(facts.get("modules").asInt()).isEqualTo(modules);
        assertThat(facts.get("changes").get(0).get("kind").asText()).isEqualTo(kind);
        assertThat(document.get("bytesRead").asLong())
                .isLessThan(document.get("bytes").asLong() / 2);
    }

    @Test
    void refusedAdapterIsInspectedAllTheSame() throws Exception {
        var graft = new GraftProcess(folder);
        var inspected = graft.run("inspect", adapters("type_oft/adapter"), "--json");
        assertThat(inspected.code()).isEqualTo(ExitCodes.DONE);
        JsonNode document = JSON.readTree(inspected.out());
        assertThat(document.at("/facts/type").asText()).isEqualTo("OFT");
        assertThat(document.get("tensors")).hasSize(4);
        String refused = document.at("/facts/refused").asText();
        assertThat(refused).contains("PEFT type 'OFT' is not handled");
        Path base = adapters("bases/llm/base.safetensors");
        var applied = graft.run("apply", adapters("type_oft/adapter"), "--base", base, "-o", "out");
        assertThat(applied.code()).isEqualTo(ExitCodes.MALFORMED_INPUT);
        assertThat(applied.errorLine()).isEqualTo("graft: " + refused);
        assertThat(folder).isEmptyDirectory();
    }

    @Test
    void pipelineIsMergedWithItsOtherPartsBeside() throws Exception {
        Path sd = folder.resolve("sd");
        for (String part : new String[] {"unet", "text_encoder"}) {
            Files.createDirectories(sd.resolve(part));
            String name =
                    part.equals("unet")
                            ? "diffusion_pytorch_model.safetensors"
                            : "model.safetensors";
            Files.copy(
                    adapters("bases/sd_" + part + "/base.safetensors"),
                    sd.resolve(part).resolve(name));
            Files.writeString(sd.resolve(part).resolve("config.json"), "{}");
        }
        Files.createDirectories(sd.resolve("scheduler"));
        Files.writeString(sd.resolve("scheduler/scheduler_config.json"), "{}");
        Files.writeString(sd.resolve("model_index.json"), "{}");
        var graft = new GraftProcess(folder);
        Path lora = adapters("kohya_sd15/adapter/lora.safetensors");
        var whole = graft.run("apply", lora, "--base", "sd", "-o", "merged", "--quiet");
        assertThat(whole.code()).as(whole.err()).isEqualTo(ExitCodes.DONE);
        assertThat(folder.resolve("merged"))
                .isDirectoryRecursivelyContaining("glob:**/scheduler/scheduler_config.json")
                .isDirectoryRecursivelyContaining("glob:**/model_index.json")
                .isDirectoryRecursivelyContaining("glob:**/text_encoder/config.json");
        var parts =
                graft.run(
                        "apply",
                        lora,
                        "--base",
                        "unet=sd/unet",
                        "--base",
                        "text_encoder=sd/text_encoder",
                        "-o",
                        "parts");
        assertThat(parts.code()).as(parts.err()).isEqualTo(ExitCodes.DONE);
        assertThat(parts.out()).contains("14 changed by 14 modules");
        for (String file :
                new String[] {
                    "unet/diffusion_pytorch_model.safetensors", "text_encoder/model.safetensors"
                }) {
            assertThat(folder.resolve("parts").resolve(file))
                    .hasSameBinaryContentAs(folder.resolve("merged").resolve(file));
        }
        var one = graft.run("apply", lora, "--base", "sd/unet", "-o", "one");
        assertThat(one.code()).isEqualTo(ExitCodes.MALFORMED_INPUT);
        assertThat(one.helpLine()).contains("--base text_encoder=PATH --base unet=PATH");
    }

    @Test
    void shardsKeepTheirNamesAndAResizedVocabularyIsInTheConfiguration() throws Exception {
        Path base = Files.createDirectories(folder.resolve("base"));
        Files.copy(adapters("bases/llm/base.safetensors"), base.resolve("model.safetensors"));
        Files.copy(adapters("bases/llm/config.json"), base.resolve("config.json"));
        var graft = new GraftProcess(folder);
        var merged =
                graft.run(
                        "apply", adapters("vocab_resized/adapter"), "--base", "base", "-o", "out");
        assertThat(merged.code()).as(merged.err()).isEqualTo(ExitCodes.DONE);
        JsonNode before = JSON.readTree(base.resolve("config.json").toFile());
        JsonNode after = JSON.readTree(folder.resolve("out/config.json").toFile());
        assertThat(before.get("vocab_size").asInt()).isEqualTo(80);
        assertThat(after.get("vocab_size").asInt()).isEqualTo(83);
        assertThat(folder.resolve("out/model.safetensors")).exists();
        assertThat(
                        JSON.readTree(folder.resolve("out/graft.json").toFile())
                                .at("/totals/modules")
                                .asInt())
                .isEqualTo(6);
    }
}
