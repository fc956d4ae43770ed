package graft.formats.delta;

import graft.formats.safetensors.SafetensorsWriter;
import graft.formats.tensor.DType;
import graft.formats.tensor.Shape;
import graft.formats.tensor.TensorInfo;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.channels.FileChannel;
import java.nio.channels.FileChannel.MapMode;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.NoSuchElementException;

/**
 * Writes a delta from its parts ({@link SparseTensorWriter}), in any order and from any thread;
 * bytes do not depend on it.
 */
public final class DeltaWriter implements AutoCloseable {
    private static final Map<String, String> METADATA =
            Map.of(
                    DeltaHeader.FORMAT_KEY,
                    DeltaHeader.FORMAT,
                    DeltaHeader.VERSION_KEY,
                    Integer.toString(DeltaHeader.VERSION));

    private final SafetensorsWriter file;
    private final Map<String, Long> offsets = new HashMap<>();

    private DeltaWriter(SafetensorsWriter file, DeltaHeader header) {
        this.file = file;
        long at = 0;
        for (SparseTensor tensor : header.tensors()) {
            offsets.put(tensor.info().name(), at);
            at += tensor.bytes();
        }
    }

    /** Bytes of the file that {@link #create} would plan. */
    public static long fileBytes(DeltaHeader header, Collection<TensorInfo> whole)
            throws IOException {
        return SafetensorsWriter.fileBytes(
                tensors(header, whole, Directory.write(header).length), METADATA);
    }

    private static List<TensorInfo> tensors(
            DeltaHeader header, Collection<TensorInfo> whole, int directoryBytes) {
        List<TensorInfo> tensors = new ArrayList<>(whole);
        tensors.add(bytes(DeltaHeader.DIRECTORY, directoryBytes));
        tensors.add(bytes(DeltaHeader.BLOB, header.sparseBytes()));
        return tensors;
    }

    /**
     * @param path must not exist
     * @param whole tensors stored whole; their bytes are written with {@link #writeWhole}
     * @throws IllegalArgumentException if a tensor has one of the format's own names
     */
    public static DeltaWriter create(Path path, DeltaHeader header, Collection<TensorInfo> whole)
            throws IOException {
        byte[] directory = Directory.write(header);
        var file =
                SafetensorsWriter.create(path, tensors(header, whole, directory.length), METADATA);
        try {
            file.write(DeltaHeader.DIRECTORY, 0, MemorySegment.ofArray(directory));
            return new DeltaWriter(file, header);
        } catch (Throwable e) {
            file.close();
            throw e;
        }
    }

    private static TensorInfo bytes(String name, long count) {
        return new TensorInfo(name, DType.U8, Shape.of(count));
    }

    /** Writes a tensor that is stored whole. */
    public void writeWhole(TensorInfo whole, MemorySegment bytes) throws IOException {
        file.write(whole.name(), 0, bytes);
    }

    /**
     * Copies a tensor's part into the blob.
     *
     * @throws IllegalStateException if the part has not the bytes of {@code tensor}
     */
    public void writePart(SparseTensor tensor, Path part) throws IOException {
        Long offset = offsets.get(tensor.info().name());
        if (offset == null) {
            throw new NoSuchElementException(tensor.info().name());
        }
        if (tensor.bytes() == 0) {
            return;
        }
        try (Arena arena = Arena.ofConfined();
                var channel = FileChannel.open(part)) {
            if (channel.size() != tensor.bytes()) {
                throw new IllegalStateException(
                        "%s: a part of %d bytes, planned with %d"
                                .formatted(tensor.info().name(), channel.size(), tensor.bytes()));
            }
            MemorySegment bytes = channel.map(MapMode.READ_ONLY, 0, channel.size(), arena);
            file.write(DeltaHeader.BLOB, offset, bytes);
        }
    }

    @Override
    public void close() throws IOException {
        file.close();
    }
}
