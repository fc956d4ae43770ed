package graft.convert.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;

import graft.convert.testing.Checkpoints;
import graft.formats.safetensors.SafetensorsReader;
import graft.formats.tensor.DType;
import graft.formats.tensor.TensorInfo;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import java.util.TreeMap;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;

class ConvertIT {
    private static final Path FAMILY = GraftProcess.testdata("families/mini");
    private static final List<String> TASKS = List.of("debsection", "nounsense", "pos", "spam");

    @TempDir Path folder;

    private List<Object> command(String output, Object... more) {
        List<Object> command = new ArrayList<>(List.of("convert"));
        TASKS.forEach(task -> command.add(FAMILY.resolve("fft-" + task)));
        command.addAll(List.of("--base", FAMILY.resolve("base"), "-o", output));
        command.addAll(List.of(more));
        return command;
    }

    /** The same bytes on one thread, on two, and after a kill in the middle. */
    @Test
    void killedRunGoesOnAndGivesTheSameBytes() throws Exception {
        var graft = new GraftProcess(folder);
        assertThat(graft.run(command("one", "-j", 1).toArray()).code()).isZero();
        kill(command("two", "-j", 2), folder.resolve(".two.partial/.work/merged-4.json"));
        assertThat(folder.resolve("two")).doesNotExist();
        assertThat(folder.resolve(".two.partial")).isDirectory();
        assertThat(graft.run(command("two", "-j", 2).toArray()).code()).isZero();
        assertThat(contents("two")).isEqualTo(contents("one"));
        assertThat(folder.resolve(".two.partial")).doesNotExist();
        assertThat(folder.resolve(".two.lock")).doesNotExist();
        assertThat(graft.run("verify", "two").code()).isZero();
        for (String task : TASKS) {
            Path delta = folder.resolve("two/fft-" + task + "/delta.safetensors");
            assertThat(Files.size(delta)).as(task).isLessThan(100_000);
        }
        assertThat(graft.run("apply", "two/fft-pos", "-o", "applied").code()).isZero();
        assertThat(graft.run("apply", "two/fft-pos", "--base", "two/merged", "-o", "again").code())
                .isZero();
        assertThat(folder.resolve("applied/model.safetensors"))
                .hasSameBinaryContentAs(folder.resolve("again/model.safetensors"));
    }

    /**
     * Killed while deltas are written, some of them whole already: a merge that trims is over
     * before deltas begin.
     */
    @Test
    void runKilledAmongDeltasGoesOnAndGivesTheSameBytes() throws Exception {
        var graft = new GraftProcess(folder);
        assertThat(graft.run(command("one", "--method", "ties").toArray()).code()).isZero();
        kill(
                command("two", "-j", 1, "--method", "ties"),
                folder.resolve(".two.partial/.work/2-20.json"));
        Path partial = folder.resolve(".two.partial");
        assertThat(folder.resolve("two")).doesNotExist();
        assertThat(partial.resolve("fft-nounsense/delta.safetensors")).exists();
        assertThat(partial.resolve("fft-spam/delta.safetensors")).doesNotExist();
        Path part = partial.resolve(".work/1-5.json");
        var before = Files.getLastModifiedTime(part);
        kill(
                command("two", "-j", 2, "--method", "ties"),
                partial.resolve(".work/3-3.json")); // and once more
        assertThat(Files.getLastModifiedTime(part)).isEqualTo(before); // it did not start again
        assertThat(graft.run(command("two", "-j", 2, "--method", "ties").toArray()).code())
                .isZero();
        assertThat(contents("two")).isEqualTo(contents("one"));
        assertThat(partial).doesNotExist();
    }

    private void kill(List<Object> command, Path when) throws Exception {
        List<String> words = new ArrayList<>();
        words.add(GraftProcess.root().resolve("graft").toString());
        command.forEach(word -> words.add(word.toString()));
        Process process =
                new ProcessBuilder(words)
                        .directory(folder.toFile())
                        .redirectErrorStream(true)
                        .redirectOutput(folder.resolve("log").toFile())
                        .start();
        while (process.isAlive() && !Files.exists(when)) {
            process.waitFor(1, TimeUnit.MILLISECONDS);
        }
        process.destroyForcibly().waitFor(); // the launcher is the JVM: it execs
    }

    private TreeMap<String, String> contents(String name) throws IOException {
        var contents = new TreeMap<String, String>();
        try (var files = Files.walk(folder.resolve(name))) {
            for (Path file : files.filter(Files::isRegularFile).toList()) {
                String path = folder.resolve(name).relativize(file).toString();
                String text =
                        path.equals("graft.json")
                                ? Files.readString(file).replaceAll("(?s)\"run\": \\{.*?\\}", "")
                                : graft.formats.io.Sha256.of(file);
                contents.put(path, text);
            }
        }
        return contents;
    }

    @Test
    void everythingExactGivesTheFineTunesBack() throws Exception {
        var graft = new GraftProcess(folder);
        var result =
                graft.run(
                        command(
                                        "out",
                                        "--preset",
                                        "paper",
                                        "--density",
                                        "1.0",
                                        "--dtype",
                                        "float32")
                                .toArray());
        assertThat(result.code()).as(result.err()).isZero();
        assertThat(graft.run("apply", "out/fft-spam", "-o", "spam").code()).isZero();
        assertThat(folder.resolve("spam/model.safetensors"))
                .hasSameBinaryContentAs(FAMILY.resolve("fft-spam/model.safetensors"));
    }

    @Test
    void modelsThatDoNotFitAreRefusedAndNothingIsLeft() throws Exception {
        var graft = new GraftProcess(folder);
        Path other = GraftProcess.testdata("architectures");
        Path gpt2;
        try (var files = Files.walk(other)) {
            gpt2 =
                    files.filter(file -> file.getFileName().toString().equals("model.safetensors"))
                            .sorted()
                            .findFirst()
                            .orElseThrow();
        }
        var result =
                graft.run(
                        "convert",
                        FAMILY.resolve("fft-pos"),
                        gpt2,
                        "--base",
                        FAMILY.resolve("base"),
                        "-o",
                        "out");
        assertThat(result.code()).isEqualTo(65);
        assertThat(result.errorLine()).contains("do not fit", "and ", " more");
        try (var left = Files.list(folder)) {
            assertThat(left).isEmpty();
        }
    }

    /** The base's names and shapes, its matrices' entries in another order: another pretraining. */
    @Test
    void unrelatedModelIsRefusedByEveryVerbUnlessAllowed() throws Exception {
        Path base = FAMILY.resolve("base/model.safetensors");
        var tensors = new TreeMap<String, float[]>();
        var shapes = new TreeMap<String, long[]>();
        try (var reader = SafetensorsReader.open(base)) {
            for (TensorInfo info : reader.tensors()) {
                List<Float> values = new ArrayList<>();
                for (float value : Checkpoints.values(reader, info.name())) {
                    values.add(value);
                }
                if (info.shape().rank() == 2) {
                    Collections.shuffle(values, new Random(5));
                }
                float[] shuffled = new float[values.size()];
                for (int i = 0; i < shuffled.length; i++) {
                    shuffled[i] = values.get(i);
                }
                tensors.put(info.name(), shuffled);
                shapes.put(info.name(), info.shape().toArray());
            }
        }
        Path stranger =
                Checkpoints.write(folder.resolve("s.safetensors"), DType.F16, tensors, shapes);
        var graft = new GraftProcess(folder);
        Object[] rest = {stranger, "--base", base, "-o", "out", "--force"}; // of the output alone
        for (String verb : List.of("convert", "merge", "sparsify")) {
            List<Object> command = new ArrayList<>(List.of(verb));
            command.addAll(List.of(rest));
            var result = graft.run(command.toArray());
            assertThat(result.code()).as(result.err()).isEqualTo(65);
            assertThat(result.errorLine()).contains("no fine-tune of", "point elsewhere", "cosine");
            assertThat(result.helpLine()).contains("--allow-unrelated-base");
            try (var left = Files.list(folder)) {
                assertThat(left).containsExactly(stranger);
            }
        }
        for (String verb : List.of("convert", "merge", "sparsify")) {
            Object[] command = {
                verb, stranger, "--base", base, "-o", verb, "--allow-unrelated-base"
            };
            var allowed = graft.run(command);
            assertThat(allowed.code()).as(allowed.err()).isZero();
            assertThat(allowed.err()).contains("point elsewhere");
        }
        List<Object> sweep = new ArrayList<>(List.of("sweep", stranger, "--base", base));
        assertThat(graft.run(sweep.toArray()).code()).isEqualTo(65);
        sweep.add("--allow-unrelated-base");
        var swept = graft.run(sweep.toArray());
        assertThat(swept.code()).as(swept.err()).isZero();
        assertThat(swept.err()).contains("point elsewhere");
    }

    /** Their weights have other names than PEFT's, before and after. */
    @ParameterizedTest
    @CsvSource({
        "kohya_sd15, sd_unet, lora.safetensors",
        "diffusers_peft_keys, sd_unet, pytorch_lora_weights.safetensors",
        "bin_pickle, llm, adapter_model.safetensors"
    })
    void adaptersOfEveryDialectAreConverted(String name, String base, String weights)
            throws Exception {
        Path adapters = GraftProcess.testdata("adapters");
        Path source = adapters.resolve(name + "/adapter");
        Path model = adapters.resolve("bases/" + base + "/base.safetensors");
        var graft = new GraftProcess(folder);
        var result = graft.run("convert", source, "--base", model, "-o", "out", "--json");
        assertThat(result.code()).as(result.err()).isZero();
        JsonNode ledger = new ObjectMapper().readTree(result.out());
        var dry = graft.run("convert", source, "--base", model, "--dry-run", "--json");
        assertThat(new ObjectMapper().readTree(dry.out()).at("/results/0/bytes"))
                .isEqualTo(ledger.at("/results/0/bytes"));
        assertThat(graft.run("convert", source, "--base", model, "--dry-run").out())
                .startsWith("adapter ")
                .doesNotContain("setting");
        assertThat(ledger.at("/results/0/bytes").asLong())
                .isEqualTo(Files.size(folder.resolve("out/adapter/" + weights)));
        assertThat(ledger.path("inputs").findValuesAsText("role")).contains("base", "adapter");
        assertThat(graft.run("verify", "out").code()).isZero();
    }

    @Test
    void graphOfAnotherBaseEndsTheRunOnlyIfItWasNamed() throws Exception {
        Path base = baseBesideAForeignGraph();
        Object[] command = {"convert", FAMILY.resolve("fft-pos"), "--base", base, "-o"};
        var graft = new GraftProcess(folder);
        var found = graft.run(with(command, "found"));
        assertThat(found.code()).as(found.err()).isZero();
        assertThat(found.err()).contains("note: no ONNX graphs: ");
        assertThat(folder.resolve("found/graft.json")).content().contains("no ONNX graphs: ");
        assertThat(folder.resolve("found/fft-pos/delta.safetensors")).exists();
        assertThat(folder.resolve("found/onnx")).doesNotExist();
        assertThat(graft.run("verify", "found").code()).isZero();
        var named = graft.run(with(command, "named", "--graph", base));
        assertThat(named.code()).as(named.err()).isEqualTo(65);
        assertThat(folder.resolve("named")).doesNotExist();
        var declined = graft.run(with(command, "declined", "--graph", "none"));
        assertThat(declined.code()).as(declined.err()).isZero();
        assertThat(declined.err()).doesNotContain("ONNX");
        assertThat(folder.resolve("declined/onnx")).doesNotExist();
    }

    private Path baseBesideAForeignGraph() throws IOException {
        Path base = Files.createDirectory(folder.resolve("base"));
        try (var files = Files.list(FAMILY.resolve("base"))) {
            for (Path file : files.toList()) {
                Files.copy(file, base.resolve(file.getFileName()));
            }
        }
        Files.copy(
                GraftProcess.testdata("architectures/gpt2/causal-lm/exports/optimum.onnx"),
                Files.createDirectory(base.resolve("onnx")).resolve("model.onnx"));
        return base;
    }

    private static Object[] with(Object[] command, Object... more) {
        return Stream.concat(Stream.of(command), Stream.of(more)).toArray();
    }

    @Test
    void dryRunRefusesAGraphThatIsNotThere() throws Exception {
        var graft = new GraftProcess(folder);
        for (Object graph : List.of("/nope.onnx", FAMILY.resolve("base"))) {
            var result = graft.run(command("out", "--dry-run", "--graph", graph).toArray());
            assertThat(result.code()).as(result.err()).isEqualTo(66);
            assertThat(result.errorLine()).contains(graph.toString());
        }
    }

    @Test
    void dryRunWritesNothingAndForetellsTheSize() throws Exception {
        var graft = new GraftProcess(folder);
        var result = graft.run(command("out", "--dry-run").toArray());
        assertThat(result.code()).as(result.err()).isZero();
        assertThat(result.out()).contains("as asked", "paper, density 0.05");
        try (var left = Files.list(folder)) {
            assertThat(left).isEmpty();
        }
    }
}
