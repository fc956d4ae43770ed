package graft.convert.testing;

import graft.formats.safetensors.SafetensorsReader;
import graft.formats.safetensors.SafetensorsWriter;
import graft.formats.tensor.DType;
import graft.formats.tensor.Elements;
import graft.formats.tensor.Shape;
import graft.formats.tensor.TensorInfo;
import graft.formats.tensor.TensorSource;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/** Small checkpoints from arrays, and back. */
public final class Checkpoints {
    private Checkpoints() {}

    /** Writes one-dimensional tensors of one type. */
    public static Path write(Path file, DType type, Map<String, float[]> tensors)
            throws IOException {
        Map<String, long[]> shapes = new TreeMap<>();
        tensors.forEach((name, values) -> shapes.put(name, new long[] {values.length}));
        return write(file, type, tensors, shapes);
    }

    /** Writes tensors of these shapes and one type. */
    public static Path write(
            Path file, DType type, Map<String, float[]> tensors, Map<String, long[]> shapes)
            throws IOException {
        List<TensorInfo> infos = new ArrayList<>();
        new TreeMap<>(shapes)
                .forEach((name, shape) -> infos.add(new TensorInfo(name, type, Shape.of(shape))));
        try (var writer = SafetensorsWriter.create(file, infos, Map.of("format", "pt"));
                Arena arena = Arena.ofConfined()) {
            for (TensorInfo info : infos) {
                float[] values = tensors.get(info.name());
                MemorySegment bytes =
                        arena.allocate(Math.max(1, info.bytes())).asSlice(0, info.bytes());
                Elements.narrow(type, values, 0, bytes, 0, values.length);
                writer.write(info.name(), 0, bytes);
            }
        }
        return file;
    }

    /** One tensor, widened. */
    public static float[] read(Path file, String name) throws IOException {
        try (var reader = SafetensorsReader.open(file)) {
            return values(reader, name);
        }
    }

    /** One tensor of an open file, widened. */
    public static float[] values(TensorSource source, String name) {
        TensorInfo info = source.find(name).orElseThrow();
        float[] values = new float[(int) info.shape().elements()];
        Elements.widen(info.dtype(), source.bytes(name), 0, values, 0, values.length);
        return values;
    }
}
