package graft.formats.checkpoint;

import graft.formats.FileSpot;
import graft.formats.MalformedFileException;
import graft.formats.tensor.TensorFile;
import graft.formats.tensor.TensorInfo;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.NoSuchElementException;
import java.util.Optional;
import java.util.TreeSet;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * A model's weights read as one source: one file, or shards with their index; safetensors, or what
 * {@code torch.save} writes.
 *
 * <p>Index and shards must agree both ways, and no tensor may be in two shards. A wrong {@code
 * total_size} is only a warning. Safe from any thread until {@link #close}.
 */
public final class Checkpoint implements TensorFile {
    /** The file of an unsharded model. */
    public static final String SINGLE_FILE = WeightsKind.SAFETENSORS.single;

    private static final int MOST_NAMES = 6;

    private final Path root;
    private final List<Path> files;
    private final List<TensorFile> shards;
    private final List<TensorInfo> tensors = new ArrayList<>();
    private final Map<String, TensorFile> owner = new HashMap<>();
    private final List<String> warnings = new ArrayList<>();
    private long indexBytes;

    private Checkpoint(Path root, List<Path> files, List<TensorFile> shards) {
        this.root = root;
        this.files = files;
        this.shards = shards;
    }

    /**
     * Opens a weights file, an index, or a folder that holds one of the names that transformers
     * looks for; reads no tensor data.
     *
     * @throws NoSuchFileException if there is nothing at {@code path}, or a shard is missing
     * @throws graft.formats.FormatException if a file breaks a rule, or index and shards disagree
     */
    public static Checkpoint open(Path path) throws IOException {
        if (Files.isDirectory(path)) {
            for (WeightsKind kind : WeightsKind.values()) {
                Path single = path.resolve(kind.single);
                Path index = path.resolve(kind.index);
                if (Files.exists(single)) {
                    return open(path, List.of(single), kind, Optional.empty());
                }
                if (Files.exists(index)) {
                    return sharded(path, index, kind);
                }
            }
            String names =
                    Arrays.stream(WeightsKind.values())
                            .map(kind -> kind.single + ", " + kind.index)
                            .collect(Collectors.joining(", "));
            throw new NoSuchFileException(
                    path.toString(), null, "holds none of %s%s".formatted(names, others(path)));
        }
        for (WeightsKind kind : WeightsKind.values()) {
            if (path.endsWith(kind.index)) {
                return sharded(path.resolveSibling(""), path, kind);
            }
        }
        return open(path, List.of(path), WeightsKind.of(path), Optional.empty());
    }

    /** What a folder holds instead tells an adapter, a delta or a folder of several models. */
    private static String others(Path folder) throws IOException {
        try (Stream<Path> files = Files.list(folder)) {
            List<String> names =
                    files.map(file -> FileSpot.quote(String.valueOf(file.getFileName())))
                            .sorted()
                            .limit(MOST_NAMES + 1)
                            .toList();
            return names.isEmpty()
                    ? "; it is empty"
                    : "; it holds "
                            + String.join(
                                    ", ", names.subList(0, Math.min(MOST_NAMES, names.size())))
                            + (names.size() > MOST_NAMES ? ", …" : "");
        }
    }

    private static Checkpoint sharded(Path folder, Path index, WeightsKind kind)
            throws IOException {
        ShardIndex shards = ShardIndex.read(index, kind);
        List<Path> files = shards.shards().stream().map(folder::resolve).toList();
        return open(folder, files, kind, Optional.of(shards));
    }

    private static Checkpoint open(
            Path root, List<Path> files, WeightsKind kind, Optional<ShardIndex> index)
            throws IOException {
        List<TensorFile> shards = new ArrayList<>();
        try {
            for (Path file : files) {
                shards.add(kind.open(file));
            }
            var checkpoint = new Checkpoint(root, files, shards);
            checkpoint.collect();
            if (index.isPresent()) {
                checkpoint.agreeWith(index.get());
                checkpoint.indexBytes = Files.size(index.get().file());
            }
            return checkpoint;
        } catch (Throwable e) {
            shards.forEach(TensorFile::close);
            throw e;
        }
    }

    private void collect() throws MalformedFileException {
        for (TensorFile shard : shards) {
            warnings.addAll(shard.warnings());
            for (TensorInfo info : shard.tensors()) {
                TensorFile other = owner.put(info.name(), shard);
                if (other != null) {
                    throw new MalformedFileException(
                            IndexRule.DUPLICATE_TENSOR,
                            FileSpot.of(shard.name()).tensor(info.name()),
                            "is also in " + other.name());
                }
                tensors.add(info);
            }
        }
    }

    private void agreeWith(ShardIndex index) throws MalformedFileException {
        var spot = FileSpot.of(index.file());
        for (var entry : new TreeSet<>(index.weightMap().keySet())) {
            Path shard = root.resolve(index.weightMap().get(entry));
            TensorFile actual = owner.get(entry);
            if (actual == null || !actual.name().equals(shard.toString())) {
                throw new MalformedFileException(
                        IndexRule.WEIGHT_MAP_MISMATCH,
                        spot.tensor(entry),
                        "%s does not hold it, as weight_map says".formatted(shard.getFileName()));
            }
        }
        for (TensorInfo info : tensors) {
            if (!index.weightMap().containsKey(info.name())) {
                throw new MalformedFileException(
                        IndexRule.WEIGHT_MAP_MISMATCH,
                        spot.tensor(info.name()),
                        "is in a shard but not in weight_map");
            }
        }
        long bytes = tensors.stream().mapToLong(TensorInfo::bytes).sum();
        if (index.totalSize().isPresent() && index.totalSize().getAsLong() != bytes) {
            warnings.add(
                    "%s: total_size is %d, the shards hold %d bytes"
                            .formatted(spot, index.totalSize().getAsLong(), bytes));
        }
    }

    /** The files this is made of: the single file, or the shards in name order. */
    public List<Path> files() {
        return files;
    }

    @Override
    public long headerBytes() {
        return indexBytes + shards.stream().mapToLong(TensorFile::headerBytes).sum();
    }

    /** Metadata of the first file. */
    @Override
    public Map<String, String> metadata() {
        return shards.isEmpty() ? Map.of() : shards.getFirst().metadata();
    }

    @Override
    public List<String> warnings() {
        return List.copyOf(warnings);
    }

    @Override
    public String name() {
        return root.toString();
    }

    /** In shard order, then in the order of the shard. */
    @Override
    public List<TensorInfo> tensors() {
        return List.copyOf(tensors);
    }

    @Override
    public Optional<TensorInfo> find(String tensor) {
        TensorFile shard = owner.get(tensor);
        return shard == null ? Optional.empty() : shard.find(tensor);
    }

    @Override
    public MemorySegment bytes(String tensor) {
        TensorFile shard = owner.get(tensor);
        if (shard == null) {
            throw new NoSuchElementException(name() + " has no tensor " + FileSpot.quote(tensor));
        }
        return shard.bytes(tensor);
    }

    @Override
    public void close() {
        shards.forEach(TensorFile::close);
    }
}
