package graft.convert.inspect;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import graft.formats.MalformedFileException;
import graft.formats.onnx.OnnxAdapterWriter;
import graft.formats.tensor.DType;
import graft.formats.tensor.Shape;
import graft.formats.tensor.TensorInfo;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;

class InspectModelTest {
    @TempDir Path folder;

    @Test
    void adapterForSlotsTellsItsParameters() throws IOException {
        Path file = folder.resolve("task.onnx_adapter");
        List<TensorInfo> parameters =
                List.of(
                        new TensorInfo("graft/gap/w", DType.U16, Shape.of(5)),
                        new TensorInfo("graft/value/w", DType.F32, Shape.of(5)));
        OnnxAdapterWriter.create(file, parameters, OnnxAdapterWriter.Versions.FIRST).close();
        Inspection found = new InspectModel().run(file, "task");
        assertThat(found.kind()).isEqualTo(Inspection.Kind.SLOTS);
        assertThat(found.tensors()).isEqualTo(parameters);
        assertThat(found.bytesRead()).isEqualTo(Files.size(file) - 30);
    }

    @Test
    void fileThatIsNoneIsRefused() throws IOException {
        Path file = Files.writeString(folder.resolve("text.onnx_adapter"), "no adapter at all");
        assertThatThrownBy(() -> new InspectModel().run(file, "text"))
                .isInstanceOf(MalformedFileException.class)
                .hasMessageContaining("is no .onnx_adapter");
    }
}
