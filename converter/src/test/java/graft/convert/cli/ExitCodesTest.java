package graft.convert.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowable;

import graft.convert.testing.Checkpoints;
import graft.formats.safetensors.SafetensorsReader;
import graft.formats.tensor.DType;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.DisabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;

import java.io.IOException;
import java.lang.foreign.ValueLayout;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Map;

class ExitCodesTest {
    @TempDir Path folder;

    /** Someone overwrites an input while it is mapped. */
    @Test
    @DisabledOnOs(OS.WINDOWS) // does not let anyone shorten a mapped file
    void fileThatShrinksWhileItIsReadIsAnIoError() throws IOException {
        Path file = folder.resolve("model.safetensors");
        Checkpoints.write(file, DType.F32, Map.of("w", new float[100_000]));
        try (var reader = SafetensorsReader.open(file)) {
            try (var channel = FileChannel.open(file, StandardOpenOption.WRITE)) {
                channel.truncate(4096);
            }
            var bytes = reader.bytes("w");
            Throwable error = catchThrowable(() -> bytes.get(ValueLayout.JAVA_BYTE, 200_000));
            assertThat(ExitCodes.of(error)).isEqualTo(ExitCodes.IO_FAILED);
            assertThat(ExitCodes.message(error)).contains("cut short while it was read");
        }
    }
}
