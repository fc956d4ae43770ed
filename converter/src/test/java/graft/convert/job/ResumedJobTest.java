package graft.convert.job;

import static org.assertj.core.api.Assertions.assertThat;

import graft.convert.ledger.Ledger;
import graft.convert.merge.MergeOptions;
import graft.convert.plan.Progress;
import graft.convert.sparsify.SparsifyOptions;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;

/** What a run that was killed left, and what the next one makes of it. */
class ResumedJobTest {
    private static final Path FAMILY =
            Path.of(System.getProperty("graft.testdata"), "families/mini");

    @TempDir Path folder;

    /** Adapters and graphs are written into folders of their own, which appear by rename. */
    @Test
    void foldersThatWereBeingWrittenAreNotInTheOutput() throws IOException {
        var request = request("out");
        Files.writeString(folder.resolve(".out.lock"), Fingerprint.of(request));
        Path partial = folder.resolve(".out.partial");
        for (String name : List.of("onnx", "lora-pos")) {
            Path half = partial.resolve(".%s.5e1f.partial".formatted(name));
            Files.createDirectories(half);
            Files.writeString(half.resolve("half"), "half");
        }
        Path seen = Files.writeString(partial.resolve("seen"), "that this run goes on there");

        Ledger ledger = new ConvertModels().run(request);

        assertThat(folder.resolve("out").resolve(partial.relativize(seen))).exists();
        assertThat(folder.resolve("out")).isDirectoryNotContaining("glob:**.partial");
        assertThat(ledger.outputs())
                .extracting(Ledger.Output::path)
                .contains("lora-pos/adapter_model.safetensors")
                .noneMatch(path -> path.contains("partial"));
    }

    private ConvertRequest request(String out) {
        return new ConvertRequest(
                List.of(new ConvertRequest.Source(FAMILY.resolve("lora-pos"), "lora-pos")),
                FAMILY.resolve("base"),
                "base",
                MergeOptions.taskArithmetic(MergeOptions.DEFAULT_WEIGHT),
                Optional.empty(),
                SparsifyOptions.signs(0.05),
                0.95,
                Optional.empty(),
                false,
                folder.resolve(out),
                false,
                false,
                false,
                1,
                Progress.NONE);
    }
}
