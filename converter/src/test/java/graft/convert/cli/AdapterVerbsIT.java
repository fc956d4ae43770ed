package graft.convert.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import java.nio.file.Files;
import java.nio.file.Path;

/** reduce, combine and extract as a user calls them. */
class AdapterVerbsIT {
    private static final Path FAMILY =
            Path.of(System.getProperty("graft.testdata")).resolve("families/mini");

    @TempDir Path folder;

    @Test
    void folderOfAdaptersIsReducedToABudgetEach() throws Exception {
        var graft = new GraftProcess(folder);
        var result = graft.run("reduce", FAMILY, "--size", "60kB", "-o", "out", "--json");
        assertThat(result.code()).as(result.err()).isZero();
        JsonNode document = CommandLineIT.json(result.out());
        assertThat(document.get("results")).hasSize(4);
        for (JsonNode row : document.get("results")) {
            Path weights =
                    folder.resolve("out/" + row.get("folder").asText())
                            .resolve("adapter_model.safetensors");
            assertThat(Files.size(weights)).isBetween(58_000L, 60_000L);
        }
        assertThat(graft.run("verify", "out").code()).isZero();
    }

    @Test
    void extractedAdapterIsSmallAndSaysWhatItLost() throws Exception {
        var graft = new GraftProcess(folder);
        var result =
                graft.run(
                        "extract",
                        FAMILY.resolve("fft-pos"),
                        "--base",
                        FAMILY.resolve("base"),
                        "--rank",
                        "8",
                        "-o",
                        "out");
        assertThat(result.code()).as(result.err()).isZero();
        assertThat(result.out())
                .contains("19 of 19 modules", "relative error", "saved whole", "unchanged");
        assertThat(graft.run("verify", "out").code()).isZero();
    }

    @Test
    void combineChecksItsWeightsBeforeReading() throws Exception {
        var result =
                new GraftProcess(folder)
                        .run(
                                "combine",
                                "a",
                                "b",
                                "c",
                                "--weight",
                                "1",
                                "--weight",
                                "2",
                                "-o",
                                "out");
        assertThat(result.code()).isEqualTo(2);
        assertThat(result.errorLine()).isEqualTo("graft: 2 weights for 3 adapters");
    }

    @Test
    void sizeThatIsNoneIsAUsageError() throws Exception {
        var result =
                new GraftProcess(folder).run("reduce", "a", "--size", "20 apples", "-o", "out");
        assertThat(result.code()).isEqualTo(2);
        assertThat(result.errorLine()).isEqualTo("graft: --size 20 apples is not a size");
    }
}
