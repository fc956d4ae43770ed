package graft.convert.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.fasterxml.jackson.databind.JsonNode;

import graft.convert.testing.GenerateCheckpoint;
import graft.convert.testing.Python;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;

class ArchiveIT {
    private static final Path FAMILY = GraftProcess.testdata("families/mini");

    @TempDir Path folder;

    @Test
    void tunedModelsArePackedBesideTheirBaseAndComeBack() throws Exception {
        var graft = new GraftProcess(folder);
        Path base = FAMILY.resolve("base");
        var packed =
                graft.run(
                        "pack",
                        FAMILY.resolve("fft-pos"),
                        FAMILY.resolve("fft-spam"),
                        "--base",
                        base,
                        "-o",
                        "tuned.tar",
                        "--json");
        assertThat(packed.code()).as(packed.err()).isZero();
        JsonNode document = CommandLineIT.json(packed.out());
        assertThat(document.get("bytesOut").asLong())
                .isEqualTo(Files.size(folder.resolve("tuned.tar")))
                .isLessThan(document.get("bytesIn").asLong() * 2 / 3);
        var alone = graft.run("unpack", "tuned.tar", "-o", "out");
        assertThat(alone.code()).isEqualTo(65);
        assertThat(alone.helpLine()).contains("--base");
        var verified = graft.run("verify", "tuned.tar", "--base", base);
        assertThat(verified.code()).as(verified.err()).isZero();
        var unpacked = graft.run("unpack", "tuned.tar", "--base", base, "-o", "out", "-q");
        assertThat(unpacked.code()).as(unpacked.err()).isZero();
        assertThat(unpacked.out().strip()).isEqualTo("out");
        for (String model : List.of("fft-pos", "fft-spam")) {
            assertThat(
                            Files.mismatch(
                                    FAMILY.resolve(model).resolve("model.safetensors"),
                                    folder.resolve("out")
                                            .resolve(model)
                                            .resolve("model.safetensors")))
                    .isEqualTo(-1);
        }
        var inspected = graft.run("inspect", "tuned.tar");
        assertThat(inspected.out())
                .contains("needs 'model.safetensors' of 'base'", "fft-spam/config.json");
        assertThat(inspected.out()).doesNotContain(base.toString());
        assertThat(graft.run("pack", base, "-o", "tuned.tar").code()).isEqualTo(73);
        // however paths are given, the archive is the same
        Path again = folder.resolve("other.tar");
        var other =
                new GraftProcess(FAMILY)
                        .run("pack", "fft-pos", "fft-spam", "--base", "base", "-o", again);
        assertThat(other.code()).as(other.err()).isZero();
        assertThat(Files.mismatch(folder.resolve("tuned.tar"), again)).isEqualTo(-1);
    }

    @Test
    void damageIsNamedAndTheRestSalvaged() throws Exception {
        var graft = new GraftProcess(folder);
        assertThat(graft.run("pack", FAMILY.resolve("base"), "-o", "a.tar").code()).isZero();
        Path archive = folder.resolve("a.tar");
        byte[] bytes = Files.readAllBytes(archive);
        bytes[bytes.length / 2] ^= 1; // in the weights, by far the largest file
        Files.write(archive, bytes);
        var verified = graft.run("verify", "a.tar");
        assertThat(verified.code()).isEqualTo(1);
        assertThat(verified.err())
                .contains("file 'base/model.safetensors', bytes ", "does not match its checksum");
        var refused = graft.run("unpack", "a.tar", "-o", "out");
        assertThat(refused.code()).isEqualTo(65);
        assertThat(refused.helpLine()).contains("--salvage");
        assertThat(folder.resolve("out")).doesNotExist();
        var salvaged = graft.run("unpack", "a.tar", "--salvage", "-o", "out");
        assertThat(salvaged.code()).isEqualTo(1);
        assertThat(folder.resolve("out/base/tokenizer.json")).exists();
        assertThat(folder.resolve("out/base/model.safetensors")).doesNotExist();
    }

    @Test
    void tarListsItAndExtractsWhatIsPlain() throws Exception {
        var graft = new GraftProcess(folder);
        assertThat(graft.run("pack", FAMILY.resolve("base"), "-o", "a.tar").code()).isZero();
        assertThat(command("tar", "tf", "a.tar").lines())
                .containsExactly(
                        "graft-archive.json",
                        "base/config.json",
                        "base/model.safetensors.graft",
                        "base/tokenizer.json.zst",
                        "base/tokenizer_config.json",
                        "graft-archive-copy.json");
        command("tar", "xf", "a.tar");
        assertThat(
                        Files.mismatch(
                                FAMILY.resolve("base/config.json"),
                                folder.resolve("base/config.json")))
                .isEqualTo(-1);
        assertThat(folder.resolve("graft-archive.json")).exists();
        command("zstd", "-q", "-d", "base/tokenizer.json.zst");
        assertThat(
                        Files.mismatch(
                                FAMILY.resolve("base/tokenizer.json"),
                                folder.resolve("base/tokenizer.json")))
                .isEqualTo(-1);
    }

    /** The page's own reader, in Python: nothing of it is ours but the page. */
    @Test
    void documentedReaderReadsIt() throws Exception {
        Python python = Python.with("numpy");
        command("zstd", "--version");
        var graft = new GraftProcess(folder);
        Path base = FAMILY.resolve("base");
        assertThat(
                        graft.run("pack", FAMILY.resolve("fft-pos"), "--base", base, "-o", "b.tar")
                                .code())
                .isZero();
        assertThat(
                        graft.run(
                                        "pack",
                                        base,
                                        FAMILY.resolve("lora-pos"),
                                        FAMILY.resolve("onnx"),
                                        "-o",
                                        "a.tar")
                                .code())
                .isZero();
        String page = Files.readString(GraftProcess.root().resolve("docs/archive-format.md"));
        String reader = page.substring(page.indexOf("```python\n") + 10, page.lastIndexOf("```"));
        Path script = Files.writeString(folder.resolve("reader.py"), reader);
        python.run(
                "check_archive.py",
                script.toString(),
                List.of(
                        folder.resolve("a.tar").toString(),
                        FAMILY.toString(),
                        "",
                        folder.resolve("b.tar").toString(),
                        FAMILY.toString(),
                        base.resolve("model.safetensors").toString()));
    }

    @Test
    void aGigabyteIsPackedBesideItsBaseInASmallHeap() throws Exception {
        Path base = folder.resolve("base.safetensors");
        Path tuned = folder.resolve("tuned.safetensors");
        GenerateCheckpoint.model(base, 27, 1, null);
        GenerateCheckpoint.model(tuned, 27, 2, base);
        var graft = new GraftProcess(folder, Map.of("GRAFT_JAVA_OPTS", "-Xmx256m"));
        var packed = graft.run("pack", tuned, "--base", base, "-o", "tuned.tar");
        assertThat(packed.code()).as(packed.err()).isZero();
        assertThat(Files.size(folder.resolve("tuned.tar"))).isLessThan(Files.size(tuned) / 2);
        var unpacked = graft.run("unpack", "tuned.tar", "--base", base, "-o", "out");
        assertThat(unpacked.code()).as(unpacked.err()).isZero();
        assertThat(Files.mismatch(tuned, folder.resolve("out/tuned.safetensors"))).isEqualTo(-1);
    }

    private String command(String... words) throws IOException, InterruptedException {
        Process process;
        try {
            process =
                    new ProcessBuilder(words)
                            .directory(folder.toFile())
                            .redirectErrorStream(true)
                            .start();
        } catch (IOException e) {
            assumeTrue(false, "skipped: no " + words[0]);
            throw e;
        }
        String printed =
                new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertThat(process.waitFor()).as(printed).isZero();
        return printed;
    }
}
