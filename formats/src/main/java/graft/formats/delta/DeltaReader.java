package graft.formats.delta;

import graft.formats.FileSpot;
import graft.formats.MalformedFileException;
import graft.formats.UnsupportedFeatureException;
import graft.formats.safetensors.SafetensorsReader;
import graft.formats.tensor.DType;
import graft.formats.tensor.TensorInfo;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Collections;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.NoSuchElementException;
import java.util.Optional;

/**
 * Reads a delta. Opening checks the directory against the file; entries are checked as they are
 * walked. Safe from any thread until {@link #close}, with one cursor per thread.
 */
public final class DeltaReader implements AutoCloseable {
    private final SafetensorsReader file;
    private final DeltaHeader header;
    private final List<TensorInfo> whole;
    private final Map<TensorInfo, TensorInfo> tied;
    private final Map<String, Long> offsets = new HashMap<>();
    private final Map<String, SparseTensor> byName = new HashMap<>();

    private DeltaReader(
            SafetensorsReader file,
            DeltaHeader header,
            List<TensorInfo> whole,
            Map<TensorInfo, TensorInfo> tied) {
        this.file = file;
        this.header = header;
        this.whole = whole;
        this.tied = Collections.unmodifiableMap(tied);
        long at = 0;
        for (SparseTensor tensor : header.tensors()) {
            offsets.put(tensor.info().name(), at);
            byName.put(tensor.info().name(), tensor);
            at += tensor.bytes();
        }
    }

    /** Whether {@code folder} holds a delta. */
    public static boolean isAt(Path folder) {
        return Files.exists(folder.resolve(DeltaHeader.FILE_NAME));
    }

    /**
     * @param path a {@code delta.safetensors}, or the folder that holds it
     */
    public static DeltaReader open(Path path) throws IOException {
        Path file = Files.isDirectory(path) ? path.resolve(DeltaHeader.FILE_NAME) : path;
        SafetensorsReader reader = SafetensorsReader.open(file);
        try {
            DeltaHeader header = header(reader);
            List<TensorInfo> whole =
                    reader.tensors().stream().filter(info -> !isOurs(info.name())).toList();
            check(reader, header, whole);
            return new DeltaReader(reader, header, whole, tied(reader, header, whole));
        } catch (Throwable e) {
            reader.close();
            throw e;
        }
    }

    private static boolean isOurs(String name) {
        return name.equals(DeltaHeader.BLOB) || name.equals(DeltaHeader.DIRECTORY);
    }

    private static DeltaHeader header(SafetensorsReader file) throws IOException {
        var spot = FileSpot.of(file.name());
        if (!DeltaHeader.FORMAT.equals(file.metadata().get(DeltaHeader.FORMAT_KEY))) {
            throw new MalformedFileException(
                    spot,
                    "is no sparse delta: its metadata has no format " + DeltaHeader.FORMAT,
                    "give a folder that graft sparsify wrote");
        }
        String version = file.metadata().getOrDefault(DeltaHeader.VERSION_KEY, "");
        if (!version.equals(Integer.toString(DeltaHeader.VERSION))) {
            throw new UnsupportedFeatureException(
                    spot,
                    "format version %s, this Graft reads %d"
                            .formatted(FileSpot.quote(version), DeltaHeader.VERSION),
                    "use the Graft that made the delta, or a later one");
        }
        for (String name : List.of(DeltaHeader.DIRECTORY, DeltaHeader.BLOB)) {
            Optional<TensorInfo> info = file.find(name);
            if (info.isEmpty() || info.get().dtype() != DType.U8) {
                throw new MalformedFileException(spot.tensor(name), "is not there as U8");
            }
        }
        return Directory.read(
                spot.tensor(DeltaHeader.DIRECTORY).at(file.fileOffset(DeltaHeader.DIRECTORY)),
                file.bytes(DeltaHeader.DIRECTORY));
    }

    private static void check(SafetensorsReader file, DeltaHeader header, List<TensorInfo> whole)
            throws MalformedFileException {
        var blob =
                FileSpot.of(file.name(), file.fileOffset(DeltaHeader.BLOB))
                        .tensor(DeltaHeader.BLOB);
        long needed;
        try {
            needed = header.sparseBytes();
        } catch (ArithmeticException e) {
            throw new MalformedFileException(blob, "the directory asks for more than 2^63 bytes");
        }
        long held = file.bytes(DeltaHeader.BLOB).byteSize();
        if (needed != held) {
            throw new MalformedFileException(
                    blob, "the directory asks for %d bytes, there are %d".formatted(needed, held));
        }
        Map<String, SparseTensor> sparse = new HashMap<>();
        header.tensors().forEach(tensor -> sparse.put(tensor.info().name(), tensor));
        for (TensorInfo info : whole) {
            if (sparse.containsKey(info.name())) {
                throw new MalformedFileException(
                        FileSpot.of(file.name()).tensor(info.name()),
                        "is stored whole and sparse as well");
            }
        }
    }

    /** Tied tensors and those they are tied to must be what the specification says. */
    private static Map<TensorInfo, TensorInfo> tied(
            SafetensorsReader file, DeltaHeader header, List<TensorInfo> whole)
            throws MalformedFileException {
        Map<String, TensorInfo> stored = new HashMap<>();
        whole.forEach(info -> stored.put(info.name(), info));
        header.tensors().forEach(tensor -> stored.put(tensor.info().name(), tensor.info()));
        Map<TensorInfo, TensorInfo> tied = new LinkedHashMap<>();
        for (var tie : header.tied().entrySet()) {
            TensorInfo same = stored.get(tie.getValue());
            if (same == null || stored.containsKey(tie.getKey()) || isOurs(tie.getKey())) {
                throw new MalformedFileException(
                        FileSpot.of(file.name()).tensor(tie.getKey()),
                        same == null
                                ? "is tied to %s, which is not stored"
                                        .formatted(FileSpot.quote(tie.getValue()))
                                : "is tied and stored as well");
            }
            tied.put(new TensorInfo(tie.getKey(), same.dtype(), same.shape()), same);
        }
        return tied;
    }

    /** Tensors that are another one once more, and which; by name. */
    public Map<TensorInfo, TensorInfo> tied() {
        return tied;
    }

    /** What the delta says of itself. */
    public DeltaHeader header() {
        return header;
    }

    /** Tensors stored whole, in the order of their bytes. */
    public List<TensorInfo> whole() {
        return whole;
    }

    /** Bytes of a tensor that is stored whole. */
    public MemorySegment bytes(TensorInfo whole) {
        return file.bytes(whole.name());
    }

    /** The directory's entry for {@code name}; empty if it is stored whole or not in the model. */
    public Optional<SparseTensor> find(String name) {
        return Optional.ofNullable(byName.get(name));
    }

    /** A cursor over a tensor's entries. */
    public DeltaEntries entries(SparseTensor tensor) {
        Long offset = offsets.get(tensor.info().name());
        if (offset == null) {
            throw new NoSuchElementException(tensor.info().name());
        }
        var spot =
                FileSpot.of(file.name(), file.fileOffset(DeltaHeader.BLOB) + offset)
                        .tensor(tensor.info().name());
        MemorySegment bytes = file.bytes(DeltaHeader.BLOB).asSlice(offset, tensor.bytes());
        return new DeltaEntries(spot, tensor, bytes, header.seed());
    }

    /** What errors call the file. */
    public String name() {
        return file.name();
    }

    /** Bytes that opening read. */
    public long headerBytes() {
        return file.headerBytes() + file.bytes(DeltaHeader.DIRECTORY).byteSize();
    }

    @Override
    public void close() {
        file.close();
    }
}
