package graft.formats.safetensors;

import graft.formats.FileSpot;
import graft.formats.MalformedFileException;
import graft.formats.tensor.TensorFile;
import graft.formats.tensor.TensorInfo;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.channels.FileChannel;
import java.nio.channels.FileChannel.MapMode;
import java.nio.file.Path;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.NoSuchElementException;
import java.util.Optional;

/**
 * One safetensors file, mapped whole, of any size.
 *
 * <p>Opening reads the header alone. Safe from any thread until {@link #close}, after which views
 * throw. The file must not be truncated while it is open.
 */
public final class SafetensorsReader implements TensorFile {
    private final String name;
    private final Arena arena;
    private final MemorySegment file;
    private final SafetensorsHeader header;
    private final List<TensorInfo> tensors;
    private final Map<String, SafetensorsHeader.Entry> byName;

    private SafetensorsReader(
            String name, Arena arena, MemorySegment file, SafetensorsHeader header) {
        this.name = name;
        this.arena = arena;
        this.file = file;
        this.header = header;
        this.tensors = header.tensors().stream().map(SafetensorsHeader.Entry::info).toList();
        this.byName = HashMap.newHashMap(tensors.size());
        for (var entry : header.tensors()) {
            byName.put(entry.info().name(), entry);
        }
    }

    /**
     * Maps {@code path} and checks its header.
     *
     * @throws graft.formats.FormatException if the header breaks a rule of the format
     * @throws java.nio.file.NoSuchFileException if there is no such file
     */
    @SuppressWarnings("MustBeClosedChecker") // the reader owns the arena
    public static SafetensorsReader open(Path path) throws IOException {
        String name = path.toString();
        Arena arena = Arena.ofShared(); // read by every worker
        try (var channel = FileChannel.open(path)) {
            if (channel.size() == 0) {
                throw new MalformedFileException(
                        SafetensorsRule.HEADER_TOO_SMALL,
                        FileSpot.of(name, 0),
                        "the file is empty");
            }
            MemorySegment file = channel.map(MapMode.READ_ONLY, 0, channel.size(), arena);
            return new SafetensorsReader(name, arena, file, SafetensorsHeader.read(name, file));
        } catch (Throwable e) {
            arena.close(); // no owner was created, so nobody else will
            throw e;
        }
    }

    @Override
    public String name() {
        return name;
    }

    @Override
    public List<TensorInfo> tensors() {
        return tensors;
    }

    @Override
    public Optional<TensorInfo> find(String tensor) {
        return Optional.ofNullable(byName.get(tensor)).map(SafetensorsHeader.Entry::info);
    }

    @Override
    public MemorySegment bytes(String tensor) {
        var entry = entry(tensor);
        return file.asSlice(header.dataStart() + entry.begin(), entry.end() - entry.begin());
    }

    /** Where the tensor's first byte lies in the file, for errors and for external data. */
    public long fileOffset(String tensor) {
        return header.dataStart() + entry(tensor).begin();
    }

    /** Bytes of the prefix and the header. */
    @Override
    public long headerBytes() {
        return header.dataStart();
    }

    /** {@code __metadata__}, empty if there is none. */
    @Override
    public Map<String, String> metadata() {
        return Collections.unmodifiableMap(header.metadata());
    }

    @Override
    public List<String> warnings() {
        return List.copyOf(header.warnings());
    }

    @Override
    public void close() {
        arena.close();
    }

    private SafetensorsHeader.Entry entry(String tensor) {
        var entry = byName.get(tensor);
        if (entry == null) {
            throw new NoSuchElementException(name + " has no tensor " + FileSpot.quote(tensor));
        }
        return entry;
    }
}
