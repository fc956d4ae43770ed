package graft.convert.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;

import graft.formats.checkpoint.Checkpoint;
import graft.formats.io.Sha256;
import graft.formats.io.StagedOutput;
import graft.formats.tensor.TensorInfo;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;

/** Models in shards and as files of torch.save, through the launcher. */
class CheckpointKindsIT {
    private static final Path FAMILY = GraftProcess.testdata("families/mini");

    @TempDir Path folder;

    @Test
    void shardedModelsAreTheModelsOfOneFile() throws Exception {
        Path tune = FAMILY.resolve("fft-pos");
        Path base = FAMILY.resolve("base");
        graft("merge", tune, "--base", base, "-o", "whole");
        graft("merge", tune, "--base", base, "-o", "shards", "--max-shard-size", "300kB");
        assertThat(folder.resolve("whole/model.safetensors")).exists();
        assertThat(folder.resolve("shards/model.safetensors.index.json")).exists();
        assertThat(folder.resolve("shards/model.safetensors")).doesNotExist();
        assertSameTensors("whole", "shards");

        graft("sparsify", FAMILY.resolve("fft-spam"), "--base", "shards", "-o", "delta");
        graft("apply", "delta", "--base", "whole", "-o", "spam-whole");
        graft("apply", "delta", "--base", "shards", "-o", "spam", "--max-shard-size", "1MiB");
        assertThat(folder.resolve("spam/model.safetensors.index.json")).exists();
        assertSameTensors("spam-whole", "spam");
        graft("verify", "spam");
    }

    /** Differences of a model from itself are 0, so that its merge is the model. */
    @Test
    void pickledModelsAreRead() throws Exception {
        for (String name : List.of("zip_views", "legacy_views")) {
            Path model = GraftProcess.testdata("pickle/valid/%s.pt".formatted(name));
            graft("merge", model, "--base", model, "-o", name);
            assertSameTensors(
                    GraftProcess.testdata("pickle/valid/%s.golden.safetensors".formatted(name))
                            .toString(),
                    name);
        }
    }

    @Test
    void refusedPickleNamesRuleAndByte() throws Exception {
        Path file = GraftProcess.testdata("pickle/malicious/global_eval.pt");
        var result = new GraftProcess(folder).run("inspect", file, "--json");
        assertThat(result.code()).isEqualTo(65);
        assertThat(result.errorLine()).contains("asks for 'builtins.eval'");
        JsonNode error = new ObjectMapper().readTree(result.out()).get("error");
        assertThat(error.get("rule").asText()).isEqualTo("pickle/forbidden_global");
        assertThat(error.get("file").asText()).isEqualTo(file.toString());
        assertThat(error.get("offset").asLong()).isPositive();
    }

    @Test
    void outputDoesNotReplaceAnInput() throws Exception {
        Path base = Files.createDirectory(folder.resolve("base"));
        Path weights = base.resolve("model.safetensors");
        Files.copy(FAMILY.resolve("base/model.safetensors"), weights);
        for (String output : List.of("base", ".")) {
            var result =
                    new GraftProcess(folder)
                            .run(
                                    "merge",
                                    FAMILY.resolve("fft-pos"),
                                    "--base",
                                    "base",
                                    "-o",
                                    output,
                                    "--force");
            assertThat(result.code()).isEqualTo(2);
            assertThat(result.errorLine())
                    .isEqualTo("graft: --output %s would replace the input base".formatted(output));
            assertThat(weights).hasSameBinaryContentAs(FAMILY.resolve("base/model.safetensors"));
        }
    }

    @Test
    void recipeOfAMergeIsAmongItsInputs() throws Exception {
        Path recipe = folder.resolve("merge.yml");
        Files.writeString(
                recipe,
                """
                merge_method: task_arithmetic
                base_model: %1$s/base
                models:
                  - model: %1$s/fft-pos
                    parameters: {weight: 0.5}
                """
                        .formatted(FAMILY));
        graft("merge", "merge.yml", "-o", "merged");
        graft(
                "merge",
                FAMILY.resolve("fft-pos"),
                "--base",
                FAMILY.resolve("base"),
                "--weight",
                "0.5",
                "-o",
                "same");
        assertThat(folder.resolve("merged/model.safetensors"))
                .hasSameBinaryContentAs(folder.resolve("same/model.safetensors"));
        JsonNode input =
                new ObjectMapper()
                        .readTree(folder.resolve("merged/graft.json").toFile())
                        .path("inputs")
                        .path(2);
        assertThat(input.path("role").asText()).isEqualTo("recipe");
        assertThat(input.path("source").asText()).isEqualTo("merge.yml");
        assertThat(input.path("sha256").asText()).isEqualTo(Sha256.of(recipe));
        graft("verify", "merged");
        for (String option : List.of("--merge-seed", "--weight")) {
            var beside = new GraftProcess(folder).run("merge", "merge.yml", option, 3, "-o", "no");
            assertThat(beside.code()).isEqualTo(2);
            assertThat(beside.errorLine()).contains(option + " has no effect beside merge.yml");
        }
    }

    /** What a dry run tells is what is then done. */
    @Test
    void dryRunTellsOfEveryTensorAndWritesNothing() throws Exception {
        Path base = FAMILY.resolve("base");
        graft("sparsify", FAMILY.resolve("fft-pos"), "--base", base, "-o", "delta");
        Object[][] commands = {
            {"merge", FAMILY.resolve("fft-pos"), FAMILY.resolve("fft-spam"), "--base", base},
            {"apply", "delta", "--base", base},
            {"apply", FAMILY.resolve("lora-pos"), "--base", base}
        };
        for (Object[] command : commands) {
            Object[] all = Arrays.copyOf(command, command.length + 4);
            System.arraycopy(
                    new Object[] {"-o", "out", "--json", "--dry-run"}, 0, all, command.length, 4);
            var dry = new GraftProcess(folder).run(all);
            assertThat(dry.code()).as(dry.err()).isZero();
            assertThat(folder.resolve("out")).doesNotExist();
            all[all.length - 1] = "--force";
            var done = new GraftProcess(folder).run(all);
            assertThat(done.code()).as(done.err()).isZero();
            JsonNode expected = new ObjectMapper().readTree(dry.out());
            JsonNode actual = new ObjectMapper().readTree(done.out());
            for (String field : List.of("inputs", "options", "tensors", "totals", "warnings")) {
                assertThat(expected.get(field)).as(field).isEqualTo(actual.get(field));
            }
            assertThat(expected.get("outputs")).isEmpty();
            StagedOutput.deleteTree(folder.resolve("out"));
        }
    }

    private void graft(Object... arguments) throws IOException, InterruptedException {
        var result = new GraftProcess(folder).run(arguments);
        assertThat(result.code()).as(result.err()).isZero();
    }

    private void assertSameTensors(String expected, String actual) throws IOException {
        try (var one = Checkpoint.open(folder.resolve(expected));
                var other = Checkpoint.open(folder.resolve(actual))) {
            assertThat(other.tensors()).containsExactlyInAnyOrderElementsOf(one.tensors());
            for (TensorInfo info : one.tensors()) {
                assertThat(other.bytes(info.name()).mismatch(one.bytes(info.name())))
                        .as(info.name())
                        .isEqualTo(-1);
            }
        }
    }
}
