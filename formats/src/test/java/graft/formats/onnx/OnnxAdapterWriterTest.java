package graft.formats.onnx;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import graft.formats.UnsupportedFeatureException;
import graft.formats.tensor.DType;
import graft.formats.tensor.Shape;
import graft.formats.tensor.TensorInfo;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import java.nio.file.Path;
import java.util.List;

class OnnxAdapterWriterTest {
    @TempDir Path folder;

    @Test
    void moreThanOnnxRuntimeReadsIsRefusedBeforeAnythingIsWritten() {
        Path file = folder.resolve("large.onnx_adapter");
        var half = new TensorInfo("a", DType.F32, Shape.of(1 << 28));
        var other = new TensorInfo("b", DType.F32, Shape.of(1 << 28));
        assertThatThrownBy(() ->
                        OnnxAdapterWriter.create(
                                        file,
                                        List.of(half, other),
                                        OnnxAdapterWriter.Versions.FIRST)
                                .close())
                .isInstanceOf(UnsupportedFeatureException.class)
                .hasMessageContaining("2 GiB");
        assertThat(file).doesNotExist();
    }
}
