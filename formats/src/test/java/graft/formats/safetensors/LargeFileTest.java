package graft.formats.safetensors;

import static org.assertj.core.api.Assertions.assertThat;

import graft.formats.tensor.DType;
import graft.formats.tensor.Shape;
import graft.formats.tensor.TensorInfo;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;

class LargeFileTest {
    @TempDir Path folder;

    /** Its first tensor is a hole of the file system, so that it costs no disk. */
    @Test
    void fileAboveTwoGigabytesIsOneMapping() throws IOException {
        Path file = folder.resolve("large.safetensors");
        var large = new TensorInfo("large", DType.F32, Shape.of(700_000_001)); // 2.8 GB
        var small = new TensorInfo("small", DType.U8, Shape.of(5));
        byte[] bytes = {1, 2, 3, 4, 5};
        try (var writer = SafetensorsWriter.create(file, List.of(small, large), Map.of())) {
            writer.write("small", 0, MemorySegment.ofArray(bytes));
            writer.write("large", large.bytes() - 1, MemorySegment.ofArray(new byte[] {9}));
        }
        try (var reader = SafetensorsReader.open(file)) {
            assertThat(reader.bytes("small").toArray(ValueLayout.JAVA_BYTE)).isEqualTo(bytes);
            MemorySegment view = reader.bytes("large");
            assertThat(view.byteSize()).isEqualTo(2_800_000_004L);
            assertThat(view.get(ValueLayout.JAVA_BYTE, view.byteSize() - 1)).isEqualTo((byte) 9);
            assertThat(view.get(ValueLayout.JAVA_BYTE, 1L << 31)).isZero();
        }
    }
}
