package graft.formats.pickle;

import graft.formats.FileSpot;
import graft.formats.FormatException;
import graft.formats.LimitExceededException;
import graft.formats.MalformedFileException;
import graft.formats.UnsupportedFeatureException;
import graft.formats.io.LfsPointer;
import graft.formats.tensor.DType;
import graft.formats.tensor.TensorFile;
import graft.formats.tensor.TensorInfo;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.ref.WeakReference;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.channels.FileChannel.MapMode;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.NoSuchElementException;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.SequencedMap;
import java.util.concurrent.ConcurrentHashMap;

/**
 * The tensors of one file by {@code torch.save}, mapped, without running anything in it.
 *
 * <p>Opening reads the pickle and the archive's directory, no tensor data. Tensors come in the
 * order of the state dict; names that share a storage are tensors of their own. A contiguous tensor
 * is a view of the file; any other, and each of a big-endian file, is gathered by {@link #bytes}
 * into native memory that the garbage collector frees once nobody holds it, up to {@code
 * -XX:MaxDirectMemorySize} at a time.
 *
 * <p>Safe from any thread until {@link #close}. The file must not be truncated while it is open.
 */
public final class PickleReader implements TensorFile {
    /** What views may unfold to beyond the file: tied weights do, a stride of 0 can without end. */
    private static final int MAX_UNFOLDING = 16;

    private static final long FREE_BYTES = 64 << 20;
    private static final int HEAD_BYTES = 512;
    private static final int TAR_MARK_AT = 257;

    private final String name;
    private final Arena arena;
    private final MemorySegment file;
    private final Contents contents;
    private final SequencedMap<String, Value.Tensor> views;
    private final Map<String, MemorySegment> storages;
    private final SequencedMap<String, TensorInfo> tensors;
    private final List<String> warnings;
    private final Map<String, WeakReference<MemorySegment>> copies = new ConcurrentHashMap<>();

    private PickleReader(
            String name,
            Arena arena,
            MemorySegment file,
            Contents contents,
            SequencedMap<String, Value.Tensor> views,
            Map<String, MemorySegment> storages,
            List<String> warnings) {
        this.name = name;
        this.arena = arena;
        this.file = file;
        this.contents = contents;
        this.views = views;
        this.storages = storages;
        this.warnings = warnings;
        this.tensors = LinkedHashMap.newLinkedHashMap(views.size());
        views.forEach((tensor, view) ->
                tensors.put(tensor, new TensorInfo(tensor, view.dtype(), view.shape())));
    }

    /**
     * Maps {@code path} and reads its pickle.
     *
     * @throws FormatException if it breaks a rule of the format, or needs more than tensors
     * @throws java.nio.file.NoSuchFileException if there is no such file
     */
    @SuppressWarnings("MustBeClosedChecker") // the reader owns the arena
    public static PickleReader open(Path path) throws IOException {
        Arena arena = Arena.ofShared(); // read by every worker
        try (var channel = FileChannel.open(path)) {
            if (channel.size() == 0) {
                throw bad(PickleRule.BAD_ARCHIVE, FileSpot.of(path), "the file is empty");
            }
            MemorySegment file = channel.map(MapMode.READ_ONLY, 0, channel.size(), arena);
            return read(path.toString(), arena, file);
        } catch (Throwable e) {
            arena.close(); // no owner was created, so nobody else will
            throw e;
        }
    }

    /**
     * Reads the pickle of {@code file}; {@code arena} is closed with the reader.
     *
     * @param name what errors call the file
     */
    static PickleReader read(String name, Arena arena, MemorySegment file) throws FormatException {
        Contents contents = contents(name, file);
        List<String> warnings = new ArrayList<>();
        var views = StateDict.of(name, contents.root(), warnings);
        Map<String, MemorySegment> storages = new HashMap<>();
        long unfolded = 0;
        long most = FREE_BYTES + MAX_UNFOLDING * file.byteSize();
        for (var entry : views.entrySet()) {
            Value.Tensor view = entry.getValue();
            var storage = view.storage();
            if (!storages.containsKey(storage.key())) {
                storages.put(storage.key(), contents.storages().bytes(storage));
            }
            long elements = view.shape().elements();
            if (elements > (most - unfolded) / view.dtype().bytes()) {
                throw new LimitExceededException(
                        PickleRule.TOO_LARGE,
                        FileSpot.of(name).tensor(entry.getKey()),
                        "the views of %d bytes unfold to more than %d"
                                .formatted(file.byteSize(), most));
            }
            unfolded += elements * view.dtype().bytes();
        }
        return new PickleReader(name, arena, file, contents, views, storages, warnings);
    }

    private static Contents contents(String name, MemorySegment file) throws FormatException {
        var head = file.asSlice(0, Math.min(HEAD_BYTES, file.byteSize()));
        String start = new String(head.toArray(ValueLayout.JAVA_BYTE), StandardCharsets.ISO_8859_1);
        if (start.startsWith("PK")) {
            return TorchZip.read(name, file);
        }
        if (start.startsWith("\u0080")) {
            return TorchStream.read(name, file);
        }
        var spot = FileSpot.of(name, 0);
        if (LfsPointer.isAt(file)) {
            throw bad(PickleRule.LFS_POINTER, spot, LfsPointer.PROBLEM, LfsPointer.HELP);
        }
        if (start.startsWith("ustar", TAR_MARK_AT)) {
            throw new UnsupportedFeatureException(
                    PickleRule.LEGACY_TAR,
                    spot,
                    "the tar format of torch before 0.1.10",
                    "load it with an old torch and save it again");
        }
        if (start.startsWith("{", 8) || start.startsWith(" {", 8)) {
            throw bad(
                    PickleRule.WRONG_FORMAT,
                    spot,
                    "looks like safetensors, not like a file of torch.save",
                    "rename it to end in .safetensors");
        }
        throw bad(PickleRule.BAD_ARCHIVE, spot, "neither an archive nor a stream of torch.save");
    }

    @Override
    public String name() {
        return name;
    }

    /** In the order of the state dict. */
    @Override
    public List<TensorInfo> tensors() {
        return List.copyOf(tensors.values());
    }

    @Override
    public Optional<TensorInfo> find(String tensor) {
        return Optional.ofNullable(tensors.get(tensor));
    }

    /**
     * A view of the file if the tensor is contiguous, else a copy that is; hold it while in use.
     */
    @Override
    public MemorySegment bytes(String tensor) {
        Value.Tensor view = views.get(tensor);
        MemorySegment storage = view == null ? null : storages.get(view.storage().key());
        if (view == null || storage == null) {
            throw new NoSuchElementException(name + " has no tensor " + FileSpot.quote(tensor));
        }
        DType type = view.dtype();
        long bytes = view.shape().elements() * type.bytes();
        if (isInPlace(view)) {
            return storage.asSlice(bytes == 0 ? 0 : view.first() * type.bytes(), bytes);
        }
        var known = copies.get(tensor);
        MemorySegment copy = known == null ? null : known.get();
        if (copy == null) {
            copy = gather(view, storage, bytes).asReadOnly();
            copies.put(tensor, new WeakReference<>(copy));
        }
        return copy;
    }

    private boolean isInPlace(Value.Tensor view) {
        boolean swap = contents.order() == ByteOrder.BIG_ENDIAN && view.dtype().bytes() > 1;
        return view.isContiguous() && !swap;
    }

    /** Where the tensor's first byte lies in the file; empty if {@link #bytes} is a copy. */
    public OptionalLong fileOffset(String tensor) {
        Value.Tensor view = views.get(tensor);
        return view != null && !isInPlace(view)
                ? OptionalLong.empty()
                : OptionalLong.of(bytes(tensor).address() - file.address());
    }

    private MemorySegment gather(Value.Tensor view, MemorySegment storage, long bytes) {
        DType type = view.dtype();
        long[] extents = view.shape().toArray();
        long[] strides = view.strides();
        int words = type == DType.C64 ? 2 : 1;
        if (words == 2 || extents.length == 0) { // a last axis of the words of one element
            extents = StridedBytes.with(extents, 1, words);
            strides = StridedBytes.with(strides, words, 1);
        }
        var copy = Arena.ofAuto().allocate(bytes);
        StridedBytes.gather(
                storage,
                contents.order(),
                type.bytes() / words,
                view.first() * words,
                extents,
                strides,
                copy);
        return copy;
    }

    @Override
    public long headerBytes() {
        return contents.bytesRead();
    }

    /** Empty: the format has no place for it. */
    @Override
    public Map<String, String> metadata() {
        return Map.of();
    }

    @Override
    public List<String> warnings() {
        return List.copyOf(warnings);
    }

    @Override
    public void close() {
        arena.close();
    }

    private static MalformedFileException bad(PickleRule rule, FileSpot spot, String problem) {
        return new MalformedFileException(rule, spot, problem);
    }

    private static MalformedFileException bad(
            PickleRule rule, FileSpot spot, String problem, String help) {
        return new MalformedFileException(rule, spot, problem, help);
    }
}
