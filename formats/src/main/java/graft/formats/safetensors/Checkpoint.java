package graft.formats.safetensors;

import graft.formats.FileSpot;
import graft.formats.MalformedFileException;
import graft.formats.UnsupportedFeatureException;
import graft.formats.tensor.TensorInfo;
import graft.formats.tensor.TensorSource;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.NoSuchElementException;
import java.util.Optional;
import java.util.TreeSet;

/**
 * A model's weights as the Hub lays them out: one {@code model.safetensors}, or shards with {@code
 * model.safetensors.index.json}, read as one source.
 *
 * <p>Index and shard headers must agree both ways, and no tensor may be in two shards. A wrong
 * {@code total_size} is only a warning. Safe from any thread until {@link #close}.
 */
public final class Checkpoint implements TensorSource {
    /** The file of an unsharded model. */
    public static final String SINGLE_FILE = "model.safetensors";

    /** The index of a sharded model. */
    public static final String INDEX_FILE = "model.safetensors.index.json";

    private final Path root;
    private final List<Path> files;
    private final List<SafetensorsReader> shards;
    private final List<TensorInfo> tensors = new ArrayList<>();
    private final Map<String, SafetensorsReader> owner = new HashMap<>();
    private final List<String> warnings = new ArrayList<>();

    private Checkpoint(Path root, List<Path> files, List<SafetensorsReader> shards) {
        this.root = root;
        this.files = files;
        this.shards = shards;
    }

    /**
     * Opens a {@code .safetensors} file or a folder that holds a model; reads headers only.
     *
     * @throws NoSuchFileException if there is nothing at {@code path}, or a shard is missing
     * @throws graft.formats.FormatException if a file breaks a rule, or index and shards disagree
     */
    public static Checkpoint open(Path path) throws IOException {
        if (!Files.isDirectory(path)) {
            return open(path, List.of(path), Optional.empty());
        }
        Path single = path.resolve(SINGLE_FILE);
        Path indexFile = path.resolve(INDEX_FILE);
        if (Files.exists(indexFile)) {
            ShardIndex index = ShardIndex.read(indexFile);
            List<Path> files = index.shards().stream().map(path::resolve).toList();
            return open(path, files, Optional.of(index));
        }
        if (Files.exists(single)) {
            return open(path, List.of(single), Optional.empty());
        }
        if (Files.exists(path.resolve("pytorch_model.bin"))) {
            throw new UnsupportedFeatureException(
                    FileSpot.of(path.resolve("pytorch_model.bin")),
                    "pickled weights are not read",
                    "save the model as safetensors (model.save_pretrained does so by default)");
        }
        throw new NoSuchFileException(
                path.toString(), null, "holds no " + SINGLE_FILE + " and no " + INDEX_FILE);
    }

    private static Checkpoint open(Path root, List<Path> files, Optional<ShardIndex> index)
            throws IOException {
        List<SafetensorsReader> shards = new ArrayList<>();
        try {
            for (Path file : files) {
                shards.add(SafetensorsReader.open(file));
            }
            var checkpoint = new Checkpoint(root, files, shards);
            checkpoint.collect();
            if (index.isPresent()) {
                checkpoint.agreeWith(index.get());
            }
            return checkpoint;
        } catch (Throwable e) {
            shards.forEach(SafetensorsReader::close);
            throw e;
        }
    }

    private void collect() throws MalformedFileException {
        for (SafetensorsReader shard : shards) {
            warnings.addAll(shard.warnings());
            for (TensorInfo info : shard.tensors()) {
                SafetensorsReader other = owner.put(info.name(), shard);
                if (other != null) {
                    throw new MalformedFileException(
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
            SafetensorsReader actual = owner.get(entry);
            if (actual == null || !actual.name().equals(shard.toString())) {
                throw new MalformedFileException(
                        spot.tensor(entry),
                        "%s does not hold it, as weight_map says".formatted(shard.getFileName()));
            }
        }
        for (TensorInfo info : tensors) {
            if (!index.weightMap().containsKey(info.name())) {
                throw new MalformedFileException(
                        spot.tensor(info.name()), "is in a shard but not in weight_map");
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

    /** Bytes read to open it: prefix and header of every file. */
    public long headerBytes() {
        return shards.stream().mapToLong(SafetensorsReader::headerBytes).sum();
    }

    /** {@code __metadata__} of the first file. */
    public Map<String, String> metadata() {
        return shards.isEmpty() ? Map.of() : shards.getFirst().metadata();
    }

    /** What was accepted but should not be there, a line each. */
    public List<String> warnings() {
        return List.copyOf(warnings);
    }

    @Override
    public String name() {
        return root.toString();
    }

    /** In shard order, then in the order of their bytes. */
    @Override
    public List<TensorInfo> tensors() {
        return List.copyOf(tensors);
    }

    @Override
    public Optional<TensorInfo> find(String tensor) {
        SafetensorsReader shard = owner.get(tensor);
        return shard == null ? Optional.empty() : shard.find(tensor);
    }

    @Override
    public MemorySegment bytes(String tensor) {
        SafetensorsReader shard = owner.get(tensor);
        if (shard == null) {
            throw new NoSuchElementException(name() + " has no tensor " + FileSpot.quote(tensor));
        }
        return shard.bytes(tensor);
    }

    @Override
    public void close() {
        shards.forEach(SafetensorsReader::close);
    }
}
