package graft.convert.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;

/** Each bad input: one line, the right exit code, nothing left behind. */
class BadInputIT {
    private static final Path FAMILY = GraftProcess.testdata("families/mini");
    private static final Path GRAPH = FAMILY.resolve("onnx/theta0-nounsense-dynamo.onnx");

    @TempDir Path folder;

    @Test
    void truncatedSafetensors() throws Exception {
        Path file = folder.resolve("cut.safetensors");
        byte[] whole = Files.readAllBytes(FAMILY.resolve("fft-pos/model.safetensors"));
        Files.write(file, Arrays.copyOf(whole, whole.length - 1000));
        var result =
                new GraftProcess(folder)
                        .run("sparsify", file, "--base", FAMILY.resolve("base"), "-o", "out");
        refused(result, 65, "cut.safetensors: byte ", "cut short");
        assertOnly("cut.safetensors");
    }

    @Test
    void unknownPeftType() throws Exception {
        Path adapter = GraftProcess.testdata("adapters/type_oft/adapter");
        var result = new GraftProcess(folder).run("reduce", adapter, "--rank", "4", "-o", "out");
        refused(result, 65, "adapter_config.json", "PEFT type 'OFT' is not handled");
        assertOnly();
    }

    @Test
    void graphWhoseWeightsMatchNothing() throws Exception {
        Path other = GraftProcess.testdata("adapters/bases/llm/base.safetensors");
        var result =
                new GraftProcess(folder)
                        .run(
                                "export",
                                FAMILY.resolve("fft-pos"),
                                "--base",
                                other,
                                "--graph",
                                GRAPH,
                                "-o",
                                "out");
        refused(result, 65, "theta0-nounsense-dynamo.onnx", "holds no weight of");
        assertOnly();
    }

    @Test
    void truncatedGraph() throws Exception {
        Path file = folder.resolve("cut.onnx");
        byte[] whole = Files.readAllBytes(GRAPH);
        Files.write(file, Arrays.copyOf(whole, whole.length / 2));
        var result =
                new GraftProcess(folder)
                        .run(
                                "export",
                                FAMILY.resolve("fft-pos"),
                                "--base",
                                FAMILY.resolve("base"),
                                "--graph",
                                file,
                                "-o",
                                "out");
        refused(result, 65, "cut.onnx", "is no ONNX model");
        assertOnly("cut.onnx");
    }

    @Test
    void adapterOfAnotherModel() throws Exception {
        Path other = GraftProcess.testdata("adapters/linear_r8/adapter");
        var result =
                new GraftProcess(folder)
                        .run(
                                "export",
                                other,
                                "--base",
                                FAMILY.resolve("base"),
                                "--graph",
                                GRAPH,
                                "-o",
                                "out");
        refused(result, 65, "has no weight for 14 of 14 modules");
        assertOnly();
    }

    @Test
    void existingOutput() throws Exception {
        Files.createDirectory(folder.resolve("out"));
        var result =
                new GraftProcess(folder)
                        .run("reduce", FAMILY.resolve("lora-pos"), "--rank", "4", "-o", "out");
        refused(result, 73, "out: already exists");
        assertThat(folder.resolve("out")).isEmptyDirectory();
    }

    @Test
    void impossibleOptionsAreFoundBeforeAnythingIsRead() throws Exception {
        String[][] commands = {
            {"sparsify", "nowhere", "--base", "nowhere", "--density", "2", "-o", "out"},
            {
                "sparsify",
                "nowhere",
                "--base",
                "nowhere",
                "--values",
                "exact",
                "--gain",
                "projection",
                "-o",
                "out"
            },
            {"reduce", "nowhere", "--energy", "0", "-o", "out"},
            {"reduce", "nowhere", "--rank", "4", "--energy", "0.5", "-o", "out"},
            {"reduce", "nowhere", "-o", "out"},
            {"reduce", "nowhere", "--rank", "4"},
            {"export", "nowhere", "--mode", "sparse-slots", "--slot-dtype", "bf16", "-o", "out"},
            {"export", "nowhere", "--mode", "sparse-slots", "--profile", "genai", "-o", "out"},
        };
        for (String[] command : commands) {
            var result = new GraftProcess(folder).run((Object[]) command);
            assertThat(result.code()).as(String.join(" ", command) + result.err()).isEqualTo(2);
            assertThat(result.errorLine()).isNotEmpty();
            assertThat(result.helpLine()).isNotEmpty();
        }
        assertOnly();
    }

    @Test
    void changedFileFailsVerification() throws Exception {
        var graft = new GraftProcess(folder);
        assertThat(
                        graft.run("reduce", FAMILY.resolve("lora-pos"), "--rank", "4", "-o", "out")
                                .code())
                .isZero();
        assertThat(graft.run("verify", "out").code()).isZero();
        Path weights = folder.resolve("out/adapter_model.safetensors");
        byte[] bytes = Files.readAllBytes(weights);
        bytes[bytes.length - 1] ^= 1;
        Files.write(weights, bytes);
        var result = graft.run("verify", "out", "--json");
        assertThat(result.code()).isEqualTo(1);
        JsonNode document = CommandLineIT.json(result.out());
        assertThat(document.get("ok").asBoolean()).isFalse();
        assertThat(document.get("failures").get(0).asText()).contains("SHA-256");
    }

    private static void refused(GraftProcess.Result result, int code, String... parts) {
        assertThat(result.code()).as(result.err()).isEqualTo(code);
        assertThat(result.errorLine()).contains(parts);
        assertThat(result.helpLine()).isNotEmpty();
        assertThat(result.err()).doesNotContain("Exception", "\tat ");
    }

    private void assertOnly(String... names) throws IOException {
        try (var files = Files.list(folder)) {
            assertThat(files.map(file -> file.getFileName().toString()))
                    .containsExactlyInAnyOrder(names);
        }
    }

    /** What was meant for another verb, or option, is called what it is. */
    @Test
    void mistakenInputsAreCalledWhatTheyAre() throws Exception {
        Path family = GraftProcess.testdata("families/mini");
        Path base = family.resolve("base");
        Path adapter = family.resolve("lora-pos");
        var graft = new GraftProcess(folder);
        var merged = graft.run("merge", adapter, "--base", base, "-o", "out");
        assertThat(merged.code()).isEqualTo(66);
        assertThat(merged.errorLine())
                .contains("it holds 'adapter_config.json', 'adapter_model.safetensors'");
        var unpacked = graft.run("unpack", base, "-o", "out");
        assertThat(unpacked.code()).isEqualTo(66);
        assertThat(unpacked.errorLine()).endsWith("is a folder, not a file that graft pack wrote");
        var applied = graft.run("apply", base, "--base", base, "-o", "out");
        assertThat(applied.code()).isEqualTo(66);
        assertThat(applied.errorLine()).endsWith("holds neither a sparse delta nor an adapter");
        var graph = base.resolve("config.json");
        var converted = graft.run("convert", base, "--base", base, "--graph", graph, "-o", "out");
        assertThat(converted.code()).isEqualTo(65);
        assertThat(converted.err()).contains("is no ONNX model").doesNotContain("residuals");
        assertThat(folder).isEmptyDirectory();
    }
}
