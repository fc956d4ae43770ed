package graft.formats;

import static org.assertj.core.api.Assertions.assertThatThrownBy;

import graft.formats.onnx.OnnxAdapter;
import graft.formats.onnx.OnnxModel;
import graft.formats.pickle.PickleReader;
import graft.formats.safetensors.SafetensorsReader;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/** What often lies under the name of a model and is none. */
class MistakenFilesTest {
    @FunctionalInterface
    private interface Open {
        AutoCloseable at(Path file) throws IOException;
    }

    @TempDir Path folder;

    @Test
    void pointersOfGitLfsAreCalledSo() throws IOException {
        refuses(SafetensorsReader::open);
        refuses(PickleReader::open);
        refuses(OnnxModel::open);
        refuses(OnnxAdapter::open);
    }

    private void refuses(Open reader) throws IOException {
        Path file = folder.resolve("weights");
        Files.writeString(
                file, "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n");
        assertThatThrownBy(() -> reader.at(file).close())
                .isInstanceOf(MalformedFileException.class)
                .hasMessageContaining("a git-lfs pointer, not the weights")
                .extracting(e -> ((FormatException) e).help())
                .asString()
                .contains("git lfs pull");
    }

    /** An error page, a configuration: 8 bytes of text are no length to speak of. */
    @Test
    void textInPlaceOfSafetensorsIsShown() throws IOException {
        Path file = Files.writeString(folder.resolve("page"), "<!doctype html><html></html>");
        assertThatThrownBy(() -> SafetensorsReader.open(file).close())
                .isInstanceOf(MalformedFileException.class)
                .hasMessageContaining("begins with the text '<!doctyp'");
    }
}
