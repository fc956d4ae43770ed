package graft.convert.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;

import graft.convert.testing.Python;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** The main job, as a new user runs it. */
class QuickstartIT {
    @TempDir Path folder;

    @Test
    void mainJobEndsWithScoresOfTheReference() throws Exception {
        var graft = new GraftProcess(folder);
        var result = graft.run("quickstart", "--json", "-o", "out");
        assertThat(result.code()).as(result.err()).isZero();
        JsonNode document = CommandLineIT.json(result.out());
        assertThat(document.get("results")).hasSize(19);
        // every setting but the default preset is in the reference; logits that all but tie may
        // fall either way
        assertThat(document.at("/totals/scoresExact").asInt()).isGreaterThanOrEqualTo(66);
        assertThat(document.at("/totals/scoresFar").asInt()).isZero();
        assertThat(
                        document.at("/totals/scoresExact").asInt()
                                + document.at("/totals/scoresNear").asInt())
                .isEqualTo(72);
        ranksSharedOutAreWorthTheirBytes(document);
        defaultPresetKeepsAccuracyInATenthOfPapersBytes(document);
        assertThat(folder.resolve("out/onnx/deltas/base.onnx.data")).exists();
        assertThat(folder.resolve("out/check")).doesNotExist();
        var verified = graft.run("verify", "out");
        assertThat(verified.code()).as(verified.err()).isZero();
        readByTheReferenceLibraries();
    }

    /** At no more bytes, over ranks 8, 4 and 2, a shared budget is as accurate as a fixed rank. */
    private static void ranksSharedOutAreWorthTheirBytes(JsonNode document) {
        double fixed = 0;
        double shared = 0;
        for (JsonNode row : document.get("results")) {
            String name = row.get("name").asText();
            if (name.matches("rank-[842]")) {
                fixed += row.get("meanRatio").asDouble();
            } else if (name.matches("shared-[842]")) {
                shared += row.get("meanRatio").asDouble();
            }
        }
        assertThat(fixed).isPositive();
        assertThat(shared).isGreaterThanOrEqualTo(fixed);
    }

    private static void defaultPresetKeepsAccuracyInATenthOfPapersBytes(JsonNode document) {
        JsonNode compact = row(document, "compact");
        // 0.98 is 0.99 less the noise of 1,600 rows; 718 kB is what top-m needs for as much
        assertThat(compact.get("meanRatio").asDouble()).isGreaterThan(0.98);
        assertThat(compact.get("bytesPerTask").asLong()).isLessThan(71_800);
    }

    private static JsonNode row(JsonNode document, String name) {
        for (JsonNode row : document.get("results")) {
            if (row.get("name").asText().equals(name)) {
                return row;
            }
        }
        throw new AssertionError("no row " + name);
    }

    /**
     * safetensors reads every file; onnx's checker passes every graph that uses its operators
     * alone.
     */
    private void readByTheReferenceLibraries() throws Exception {
        Python python = Python.with("safetensors", "torch", "onnx");
        List<String> files = new ArrayList<>();
        try (var walk = Files.walk(folder.resolve("out"))) {
            walk.map(Path::toString)
                    .filter(name -> name.endsWith(".safetensors") || name.endsWith(".onnx"))
                    .sorted()
                    .forEach(files::add);
        }
        assertThat(files).hasSizeGreaterThan(100);
        python.run("check_files.py", "--", files);
    }

    @Test
    void existingOutputIsKept() throws Exception {
        Path out = Files.createDirectory(folder.resolve("out"));
        var result = new GraftProcess(folder).run("quickstart", "-o", "out");
        assertThat(result.code()).isEqualTo(73);
        assertThat(result.errorLine()).isEqualTo("graft: out: already exists");
        assertThat(out).isEmptyDirectory();
    }
}
