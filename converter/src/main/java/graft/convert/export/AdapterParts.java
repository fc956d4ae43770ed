package graft.convert.export;

import graft.formats.onnx.OnnxAdapterWriter;
import graft.formats.tensor.TensorInfo;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/** What goes into one {@code .onnx_adapter}; it is made part by part, when the file is written. */
final class AdapterParts {
    /** Some parameters that are made together. */
    interface Part {
        List<TensorInfo> parameters();

        /**
         * The data of all parameters, in their order.
         *
         * @param arena that dies when they are written
         */
        List<MemorySegment> make(Arena arena) throws IOException;
    }

    private final Map<String, Part> parts = new TreeMap<>();

    void add(Part part) {
        parts.put(part.parameters().getFirst().name(), part);
    }

    /** Adds one parameter. */
    void add(TensorInfo parameter, Made bytes) {
        add(
                new Part() {
                    @Override
                    public List<TensorInfo> parameters() {
                        return List.of(parameter);
                    }

                    @Override
                    public List<MemorySegment> make(Arena arena) throws IOException {
                        return List.of(bytes.make(arena));
                    }
                });
    }

    /** Adds whole tensors, as they lie in their initializers. */
    void addWhole(ExportGraph export, Iterable<ExportPlan.Target> targets) {
        targets.forEach(target ->
                add(export.storedAfter(target), arena -> export.storedBytes(target, arena)));
    }

    /** The data of one parameter. */
    @FunctionalInterface
    interface Made {
        MemorySegment make(Arena arena) throws IOException;
    }

    /**
     * Writes the file; returns its size.
     *
     * @throws graft.formats.UnsupportedFeatureException if it would exceed 2 GiB
     */
    long write(Path file) throws IOException {
        List<TensorInfo> all =
                parts.values().stream().map(Part::parameters).flatMap(Collection::stream).toList();
        try (var out = OnnxAdapterWriter.create(file, all, OnnxAdapterWriter.Versions.FIRST)) {
            for (Part part : parts.values()) {
                try (Arena arena = Arena.ofConfined()) {
                    List<MemorySegment> data = part.make(arena);
                    for (int i = 0; i < data.size(); i++) {
                        out.write(part.parameters().get(i).name(), data.get(i));
                    }
                }
            }
        }
        return Files.size(file);
    }
}
