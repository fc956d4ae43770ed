package graft.convert.export;

import static org.assertj.core.api.Assertions.assertThat;

import graft.convert.ledger.Ledger;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;

/** Which of a repository's graphs is the base's. */
class GraphFinderTest {
    @TempDir Path folder;

    @Test
    void usualPlacesComeFirst() {
        assertThat(GraphFinder.choose(List.of("model.onnx", "onnx/model.onnx", "a.onnx")))
                .contains("onnx/model.onnx");
        assertThat(GraphFinder.choose(List.of("a.onnx", "model.onnx", "onnx/model_O2.onnx")))
                .contains("model.onnx");
    }

    @Test
    void anOnlyGraphIsTheOneOfSeveralNone() {
        assertThat(GraphFinder.choose(List.of("config.json", "my.onnx"))).contains("my.onnx");
        assertThat(GraphFinder.choose(List.of("onnx/my.onnx"))).contains("onnx/my.onnx");
        assertThat(GraphFinder.choose(List.of("my.onnx", "onnx/other.onnx"))).isEmpty();
        assertThat(GraphFinder.choose(List.of("myonnx/a.onnx", "deep/onnx/b.onnx"))).isEmpty();
        assertThat(GraphFinder.choose(List.of())).isEmpty();
    }

    @Test
    void whatGraftWroteHasNoGraphOfABase() {
        assertThat(GraphFinder.choose(List.of("model.onnx", Ledger.FILE_NAME))).isEmpty();
        assertThat(GraphFinder.choose(List.of("model.onnx", "task/" + Ledger.FILE_NAME)))
                .contains("model.onnx");
    }

    @Test
    void onDiskLikewiseButNotInWhatGraftWrote() throws IOException {
        Path graph = Files.createDirectory(folder.resolve("onnx")).resolve("any.onnx");
        Files.createFile(graph);
        assertThat(GraphFinder.find(folder)).contains(graph);
        Files.createFile(folder.resolve(Ledger.FILE_NAME));
        assertThat(GraphFinder.find(folder)).isEmpty();
    }
}
