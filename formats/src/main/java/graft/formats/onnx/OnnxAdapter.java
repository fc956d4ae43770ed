package graft.formats.onnx;

import graft.formats.FileSpot;
import graft.formats.LimitExceededException;
import graft.formats.MalformedFileException;
import graft.formats.UnsupportedFeatureException;
import graft.formats.io.Layouts;
import graft.formats.io.LfsPointer;
import graft.formats.tensor.DType;
import graft.formats.tensor.TensorInfo;
import graft.formats.tensor.TensorSource;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.channels.FileChannel;
import java.nio.channels.FileChannel.MapMode;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.NoSuchElementException;
import java.util.Optional;

/**
 * A {@code .onnx_adapter} as named tensors: what ONNX Runtime's {@code LoraAdapter} loads, written
 * by Olive, onnxruntime-genai or {@link OnnxAdapterWriter}.
 *
 * <p>The FlatBuffers file is read with every offset, length and type checked. Safe from any thread
 * until {@link #close}; views die with it.
 */
public final class OnnxAdapter implements TensorSource {
    /** End of the names of such files. */
    public static final String SUFFIX = ".onnx_adapter";

    static final byte[] IDENTIFIER = "TORT".getBytes(StandardCharsets.US_ASCII);
    static final int FORMAT_VERSION = 1;

    private static final int MOST_AXES = 64;

    private final Path path;
    private final Arena arena;
    private final MemorySegment file;
    private final Map<String, TensorInfo> infos = new LinkedHashMap<>();
    private final Map<String, MemorySegment> bytes = new LinkedHashMap<>();

    private OnnxAdapter(Path path, Arena arena, MemorySegment file) {
        this.path = path;
        this.arena = arena;
        this.file = file;
    }

    /**
     * Maps the file and reads its directory.
     *
     * @throws graft.formats.FormatException if it breaks a rule of the format
     */
    @SuppressWarnings("MustBeClosedChecker") // the adapter owns the arena
    public static OnnxAdapter open(Path path) throws IOException {
        if (Files.size(path) > Integer.MAX_VALUE) {
            throw new LimitExceededException(
                    FileSpot.of(path), "%d bytes, limit 2 GiB".formatted(Files.size(path)));
        }
        Arena arena = Arena.ofShared();
        try (var channel = FileChannel.open(path)) {
            MemorySegment file =
                    channel.size() == 0
                            ? MemorySegment.NULL
                            : channel.map(MapMode.READ_ONLY, 0, channel.size(), arena);
            var adapter = new OnnxAdapter(path, arena, file);
            adapter.read();
            return adapter;
        } catch (Throwable e) {
            arena.close();
            throw e;
        }
    }

    private void read() throws IOException {
        if (LfsPointer.isAt(file)) {
            throw new MalformedFileException(
                    FileSpot.of(path), LfsPointer.PROBLEM, LfsPointer.HELP);
        }
        if (file.byteSize() < 8
                || file.asSlice(4, 4).mismatch(MemorySegment.ofArray(IDENTIFIER)) != -1) {
            throw new MalformedFileException(
                    FileSpot.of(path), "is no .onnx_adapter: it lacks the identifier TORT");
        }
        long root = target(0);
        long version = field(root, 0) == 0 ? 0 : int32(field(root, 0));
        if (version != FORMAT_VERSION) {
            throw new UnsupportedFeatureException(
                    FileSpot.of(path),
                    "format version %d, Graft reads %d".formatted(version, FORMAT_VERSION),
                    "write the adapter with a version of Olive or ONNX Runtime of 2024 to 2026");
        }
        long parameters = field(root, 3);
        if (parameters == 0) {
            return;
        }
        long vector = target(parameters);
        long count = length(vector, 4);
        for (long i = 0; i < count; i++) {
            parameter(target(vector + 4 + 4 * i));
        }
    }

    private void parameter(long table) throws IOException {
        String name = field(table, 0) == 0 ? "" : text(target(field(table, 0)));
        FileSpot spot = FileSpot.of(path.toString(), table).tensor(name);
        int code = field(table, 2) == 0 ? 0 : int32(field(table, 2));
        Optional<DType> type = OnnxTypes.of(code);
        if (name.isEmpty() || type.isEmpty() || infos.containsKey(name)) {
            throw new MalformedFileException(
                    spot,
                    type.isEmpty()
                            ? "element type %d is none that Graft reads".formatted(code)
                            : "two parameters of this name, or none at all");
        }
        TensorInfo info =
                InitializerBytes.info(spot, name, type.get(), extents(spot, field(table, 1)));
        long data = field(table, 3) == 0 ? 0 : target(field(table, 3));
        long held = data == 0 ? 0 : length(data, 1);
        InitializerBytes.checkSize(spot, info, held);
        infos.put(name, info);
        bytes.put(name, file.asSlice(data + 4, held));
    }

    private long[] extents(FileSpot spot, long field) throws IOException {
        if (field == 0) {
            return new long[0];
        }
        long vector = target(field);
        long count = length(vector, 8);
        if (count > MOST_AXES) {
            throw new MalformedFileException(spot, "has %d axes".formatted(count));
        }
        long[] extents = new long[(int) count];
        for (int axis = 0; axis < count; axis++) {
            extents[axis] = file.get(Layouts.I64, vector + 4 + 8L * axis);
        }
        return extents;
    }

    private String text(long vector) throws IOException {
        byte[] utf8 = file.asSlice(vector + 4, length(vector, 1)).toArray(ValueLayout.JAVA_BYTE);
        return new String(utf8, StandardCharsets.UTF_8);
    }

    /** The elements of a vector, which all lie in the file. */
    private long length(long vector, int elementBytes) throws IOException {
        long count = Integer.toUnsignedLong(int32(vector));
        check(vector + 4, count * elementBytes);
        return count;
    }

    /** Where a table keeps a field; 0 if it has none. */
    private long field(long table, int index) throws IOException {
        long vtable = table - int32(table);
        check(vtable, 4);
        int vtableBytes = Short.toUnsignedInt(file.get(Layouts.I16, vtable));
        check(vtable, vtableBytes);
        if (4 + 2 * index + 2 > vtableBytes) {
            return 0;
        }
        int place = Short.toUnsignedInt(file.get(Layouts.I16, vtable + 4 + 2L * index));
        return place == 0 ? 0 : table + place;
    }

    /** What the offset at {@code at} points to. */
    private long target(long at) throws IOException {
        long target = at + Integer.toUnsignedLong(int32(at));
        check(target, 4);
        return target;
    }

    private int int32(long at) throws IOException {
        check(at, 4);
        return file.get(Layouts.I32, at);
    }

    private void check(long at, long length) throws MalformedFileException {
        if (at < 0 || length < 0 || at > file.byteSize() - length) {
            throw new MalformedFileException(
                    FileSpot.of(path.toString(), Math.max(0, at)),
                    "%d bytes are asked of a file of %d".formatted(length, file.byteSize()));
        }
    }

    /** Whether {@code path} is a file of this kind, by its name. */
    public static boolean isAt(Path path) {
        return path.toString().endsWith(SUFFIX) && Files.isRegularFile(path);
    }

    @Override
    public String name() {
        return path.toString();
    }

    @Override
    public List<TensorInfo> tensors() {
        return List.copyOf(infos.values());
    }

    @Override
    public Optional<TensorInfo> find(String name) {
        return Optional.ofNullable(infos.get(name));
    }

    @Override
    public MemorySegment bytes(String name) {
        MemorySegment segment = bytes.get(name);
        if (segment == null) {
            throw new NoSuchElementException(name() + " has no parameter " + FileSpot.quote(name));
        }
        return segment;
    }

    @Override
    public void close() {
        arena.close();
    }
}
