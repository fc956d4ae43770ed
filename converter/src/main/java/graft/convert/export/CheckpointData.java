package graft.convert.export;

import graft.convert.ConversionException;
import graft.formats.checkpoint.Checkpoint;
import graft.formats.onnx.ExternalDataWriter;
import graft.formats.onnx.ExternalFile;
import graft.formats.safetensors.SafetensorsReader;
import graft.formats.tensor.DType;
import graft.formats.tensor.Shape;
import graft.formats.tensor.TensorInfo;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;

/**
 * A checkpoint's own safetensors files as the data of graphs: initializers point into them, so that
 * one file serves both ONNX Runtime and whatever reads safetensors. Linear layers lie turned there,
 * and bfloat16 stays what it is; graphs turn and cast when they are loaded. Not thread-safe.
 */
final class CheckpointData implements AutoCloseable {
    private static final String ENDING = ".safetensors";
    private static final int LOWEST_BF16_OPSET = 13; // Cast

    private final List<Path> files;
    private final List<SafetensorsReader> readers = new ArrayList<>();
    private final long opset;
    private final Set<Path> used = new TreeSet<>();

    private CheckpointData(List<Path> files, long opset) {
        this.files = files;
        this.opset = opset;
    }

    /**
     * @param opset of the graphs
     * @throws ConversionException.BaseMismatch if the checkpoint is stored in another format
     */
    static CheckpointData open(Checkpoint checkpoint, long opset) throws IOException {
        for (Path file : checkpoint.files()) {
            if (!file.toString().endsWith(ENDING)) {
                throw new ConversionException.BaseMismatch(
                        "%s is no safetensors file, and graphs cannot point into it"
                                .formatted(file),
                        "leave out --data safetensors");
            }
        }
        var data = new CheckpointData(checkpoint.files(), opset);
        try {
            for (Path file : checkpoint.files()) {
                data.readers.add(SafetensorsReader.open(file));
            }
            return data;
        } catch (Throwable e) {
            data.close();
            throw e;
        }
    }

    /**
     * An initializer's place in the files.
     *
     * @param bytes that the initializer must have
     * @param bindings of the initializer
     * @return empty if no file has it as a whole and with these values, or it is small
     */
    Optional<SharedTensor> find(
            TensorInfo initializer, MemorySegment bytes, List<Binding> bindings, Arena arena)
            throws IOException {
        if (initializer.bytes() < ExternalDataWriter.SMALLEST) {
            return Optional.empty();
        }
        for (Binding binding : bindings) {
            for (int i = 0; i < files.size(); i++) {
                Optional<TensorInfo> tensor = readers.get(i).find(binding.tensor());
                if (tensor.isPresent()
                        && holds(
                                readers.get(i), tensor.get(), binding, initializer, bytes, arena)) {
                    used.add(files.get(i));
                    var location =
                            new ExternalFile(
                                    files.get(i).getFileName().toString(),
                                    readers.get(i).fileOffset(binding.tensor()));
                    return Optional.of(
                            new SharedTensor(
                                    location.initializer(tensor.get()),
                                    binding.layout().isTransposed()));
                }
            }
        }
        return Optional.empty();
    }

    private boolean holds(
            SafetensorsReader reader,
            TensorInfo tensor,
            Binding binding,
            TensorInfo initializer,
            MemorySegment bytes,
            Arena arena)
            throws IOException {
        Layout layout = binding.layout();
        boolean usable =
                layout.isWhole()
                        && layout.isExact()
                        && tensor.dtype().isComputable()
                        && (tensor.dtype() != DType.BF16 || opset >= LOWEST_BF16_OPSET)
                        && (!layout.isTransposed() || tensor.shape().rank() == 2);
        if (!usable) {
            return false;
        }
        Shape lies = layout.lying(tensor.shape());
        if (!lies.equals(initializer.shape())) {
            return false;
        }
        var change = ModelChanges.whole(tensor, reader.bytes(tensor.name()));
        var alone = ExportPlan.Target.alone(initializer, layout, change);
        return Materialised.of(alone, MemorySegment.NULL, arena).mismatch(bytes) == -1;
    }

    /** Puts the files that initializers point into beside the graphs. */
    void copyUsed(Path folder) throws IOException {
        for (Path file : used) { // no link: onnx's checker accepts none
            Files.copy(file, folder.resolve(file.getFileName()));
        }
    }

    @Override
    public void close() {
        readers.forEach(SafetensorsReader::close);
    }
}
