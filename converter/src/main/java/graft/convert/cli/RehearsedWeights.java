package graft.convert.cli;

import graft.formats.safetensors.SafetensorsWriter;
import graft.formats.tensor.DType;
import graft.formats.tensor.Shape;
import graft.formats.tensor.TensorInfo;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Random;

/**
 * A model for {@link Rehearsal} that is large enough for the best compiler to be asked for what
 * codes its weights: how these methods were used is then known from the first call on.
 */
final class RehearsedWeights {
    private static final int ROWS = 8192;
    private static final int COLUMNS = 1024;

    private RehearsedWeights() {}

    /** Writes rows of normal numbers, each of its own scale, as bfloat16 and as float32. */
    static Path write(Path file) throws IOException {
        var half = new TensorInfo("half", DType.BF16, Shape.of(ROWS, COLUMNS));
        var single = new TensorInfo("single", DType.F32, Shape.of(ROWS, COLUMNS));
        var random = new Random(1);
        ByteBuffer halfs = ByteBuffer.allocate(2 * COLUMNS).order(ByteOrder.LITTLE_ENDIAN);
        ByteBuffer singles = ByteBuffer.allocate(4 * COLUMNS).order(ByteOrder.LITTLE_ENDIAN);
        try (var writer = SafetensorsWriter.create(file, List.of(half, single), Map.of())) {
            for (long row = 0; row < ROWS; row++) {
                double scale = Math.exp(random.nextGaussian() / 2) / 100;
                for (int i = 0; i < COLUMNS; i++) {
                    int bits = Float.floatToIntBits((float) (scale * random.nextGaussian()));
                    halfs.putShort(2 * i, (short) (bits >>> 16));
                    singles.putInt(4 * i, bits);
                }
                writer.write("half", row * halfs.limit(), MemorySegment.ofBuffer(halfs));
                writer.write("single", row * singles.limit(), MemorySegment.ofBuffer(singles));
            }
        }
        return file;
    }
}
