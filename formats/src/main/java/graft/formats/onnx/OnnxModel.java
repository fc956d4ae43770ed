package graft.formats.onnx;

import com.google.protobuf.InvalidProtocolBufferException;
import com.google.protobuf.UnsafeByteOperations;

import graft.formats.FileSpot;
import graft.formats.LimitExceededException;
import graft.formats.MalformedFileException;
import graft.formats.io.LfsPointer;
import graft.formats.onnx.proto.ModelProto;
import graft.formats.onnx.proto.TensorProto;
import graft.formats.tensor.TensorInfo;
import graft.formats.tensor.TensorSource;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.channels.FileChannel;
import java.nio.channels.FileChannel.MapMode;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.NoSuchElementException;
import java.util.Optional;
import java.util.SortedSet;

/**
 * An ONNX model whose initializers are readable tensors wherever their bytes lie.
 *
 * <p>Safe from any thread until {@link #close}; views die with it.
 */
public final class OnnxModel implements TensorSource {
    private static final int NESTING = 100;

    private final Path file;
    private final ModelProto proto;
    private final Arena arena;
    private final Map<String, TensorInfo> infos = new LinkedHashMap<>();
    private final Map<String, MemorySegment> bytes = new LinkedHashMap<>();

    private OnnxModel(Path file, ModelProto proto, Arena arena) {
        this.file = file;
        this.proto = proto;
        this.arena = arena;
    }

    /**
     * Reads the graph, checks its structure, and maps its external data.
     *
     * @throws graft.formats.FormatException if a rule is broken
     */
    @SuppressWarnings("MustBeClosedChecker") // the model owns the arena
    public static OnnxModel open(Path file) throws IOException {
        Arena arena = Arena.ofShared();
        try {
            ModelProto proto = parse(file, arena);
            GraphChecks.check(FileSpot.of(file), proto.getGraph());
            var model = new OnnxModel(file, proto, arena);
            model.locate();
            return model;
        } catch (Throwable e) {
            arena.close();
            throw e;
        }
    }

    /** Weights inside the file stay there: their byte strings are views of the mapping. */
    private static ModelProto parse(Path file, Arena arena) throws IOException {
        var spot = FileSpot.of(file);
        if (Files.size(file) > Integer.MAX_VALUE) {
            throw new LimitExceededException(
                    spot, "a graph above 2 GB, which protobuf cannot hold");
        }
        try (var channel = FileChannel.open(file)) {
            if (channel.size() == 0) {
                throw new MalformedFileException(spot, "the file is empty");
            }
            MemorySegment mapped = channel.map(MapMode.READ_ONLY, 0, channel.size(), arena);
            if (LfsPointer.isAt(mapped)) {
                throw new MalformedFileException(spot, LfsPointer.PROBLEM, LfsPointer.HELP);
            }
            var in = UnsafeByteOperations.unsafeWrap(mapped.asByteBuffer()).newCodedInput();
            in.enableAliasing(true);
            in.setRecursionLimit(NESTING);
            ModelProto proto = ModelProto.parseFrom(in);
            if (!proto.hasGraph() || proto.getGraph().getNodeCount() == 0) {
                throw new MalformedFileException(spot, "is no ONNX model: it holds no graph");
            }
            return proto;
        } catch (InvalidProtocolBufferException e) {
            throw new MalformedFileException(spot, "is no ONNX model: " + e.getMessage());
        }
    }

    private void locate() throws IOException {
        var external = new ExternalFiles(file, arena);
        for (TensorProto tensor : proto.getGraph().getInitializerList()) {
            var spot = FileSpot.of(file).tensor(tensor.getName());
            Optional<TensorInfo> info = InitializerBytes.info(spot, tensor);
            if (info.isEmpty()) {
                continue; // a type that only passes through
            }
            MemorySegment where =
                    tensor.getDataLocation() == TensorProto.DataLocation.EXTERNAL
                            ? external.bytes(spot, tensor, info.get().bytes())
                            : InitializerBytes.inline(spot, tensor, info.get());
            infos.put(tensor.getName(), info.get());
            bytes.put(tensor.getName(), where);
        }
    }

    /**
     * Locations of external data that a graph names, sorted, as it names them: whether they are
     * there, and below its folder, is checked by {@link #open} alone.
     *
     * @throws graft.formats.FormatException if the file is no graph
     */
    public static SortedSet<String> locations(Path file) throws IOException {
        try (Arena arena = Arena.ofConfined()) {
            return ExternalFiles.locations(parse(file, arena).getGraph());
        }
    }

    /** The message itself, unchanged; what it holds of weights dies with {@link #close}. */
    public ModelProto proto() {
        return proto;
    }

    /** Where it was read from. */
    public Path file() {
        return file;
    }

    /** Version of the default operator set. */
    public long opset() {
        return proto.getOpsetImportList().stream()
                .filter(set -> set.getDomain().isEmpty() || set.getDomain().equals("ai.onnx"))
                .mapToLong(set -> set.getVersion())
                .max()
                .orElse(0);
    }

    /** {@code metadata_props}; the last of equal keys counts. */
    public Map<String, String> metadata() {
        Map<String, String> metadata = new LinkedHashMap<>();
        proto.getMetadataPropsList().forEach(p -> metadata.put(p.getKey(), p.getValue()));
        return metadata;
    }

    /** Rules that a graph of Graft's own keeps and others may not; see {@link WrittenChecks}. */
    public List<String> complaints() {
        return WrittenChecks.of(this);
    }

    @Override
    public String name() {
        return file.toString();
    }

    /** Initializers, in the order of the graph, of every type Graft can view. */
    @Override
    public List<TensorInfo> tensors() {
        return new ArrayList<>(infos.values());
    }

    @Override
    public Optional<TensorInfo> find(String tensor) {
        return Optional.ofNullable(infos.get(tensor));
    }

    @Override
    public MemorySegment bytes(String tensor) {
        MemorySegment segment = bytes.get(tensor);
        if (segment == null) {
            throw new NoSuchElementException(
                    name() + " has no initializer " + FileSpot.quote(tensor));
        }
        return segment;
    }

    @Override
    public void close() {
        arena.close();
    }
}
