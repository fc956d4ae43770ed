package graft.formats.checkpoint;

import graft.formats.FileSpot;
import graft.formats.safetensors.SafetensorsWriter;
import graft.formats.tensor.TensorInfo;
import graft.formats.tensor.TensorSink;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.NoSuchElementException;
import java.util.SequencedMap;

/**
 * Writes a model's weights as the Hub lays them out: {@code model.safetensors}, or {@code
 * model-00001-of-0000N.safetensors} and so on with {@code model.safetensors.index.json}.
 *
 * <p>The tensors are planned, then written in any order from any thread. Fill a staged folder
 * ({@link graft.formats.io.StagedOutput}): files are not complete until every tensor is written.
 */
public final class CheckpointWriter implements TensorSink {
    /** The Hub's own size of a shard, 5 GB. */
    public static final long DEFAULT_SHARD_BYTES = 5_000_000_000L;

    private final List<Path> files;
    private final List<SafetensorsWriter> shards;
    private final Map<String, SafetensorsWriter> owner;

    private CheckpointWriter(
            List<Path> files,
            List<SafetensorsWriter> shards,
            Map<String, SafetensorsWriter> owner) {
        this.files = files;
        this.shards = shards;
        this.owner = owner;
    }

    /**
     * Creates the files in {@code folder} and writes their headers, and the index if there are
     * several.
     *
     * @param tensors in the order in which shards are filled
     * @param metadata of every file
     * @param maxShardBytes tensor bytes of a shard, at least 1; a larger tensor has one for itself
     * @throws java.nio.file.FileAlreadyExistsException if a file of that name is there
     * @throws IllegalArgumentException if two tensors share a name
     */
    public static CheckpointWriter create(
            Path folder,
            Collection<TensorInfo> tensors,
            Map<String, String> metadata,
            long maxShardBytes)
            throws IOException {
        return create(folder, tensors, metadata, maxShardBytes, SafetensorsWriter::create);
    }

    /** The same, but files that are there are gone on with; see {@link SafetensorsWriter}. */
    public static CheckpointWriter createOrReopen(
            Path folder,
            Collection<TensorInfo> tensors,
            Map<String, String> metadata,
            long maxShardBytes)
            throws IOException {
        return create(folder, tensors, metadata, maxShardBytes, SafetensorsWriter::createOrReopen);
    }

    @FunctionalInterface
    private interface Opener {
        SafetensorsWriter open(
                Path file, Collection<TensorInfo> tensors, Map<String, String> metadata)
                throws IOException;
    }

    private static CheckpointWriter create(
            Path folder,
            Collection<TensorInfo> tensors,
            Map<String, String> metadata,
            long maxShardBytes,
            Opener opener)
            throws IOException {
        List<List<TensorInfo>> split = split(tensors, maxShardBytes);
        List<Path> files = new ArrayList<>();
        List<SafetensorsWriter> shards = new ArrayList<>();
        Map<String, SafetensorsWriter> owner = HashMap.newHashMap(tensors.size());
        SequencedMap<String, String> weightMap = LinkedHashMap.newLinkedHashMap(tensors.size());
        try {
            for (int i = 0; i < split.size(); i++) {
                String name =
                        split.size() == 1
                                ? Checkpoint.SINGLE_FILE
                                : "model-%05d-of-%05d.safetensors".formatted(i + 1, split.size());
                var shard = opener.open(folder.resolve(name), split.get(i), metadata);
                shards.add(shard);
                files.add(folder.resolve(name));
                for (TensorInfo info : split.get(i)) {
                    owner.put(info.name(), shard);
                    if (weightMap.put(info.name(), name) != null) {
                        throw new IllegalArgumentException("two tensors named " + info.name());
                    }
                }
            }
            if (split.size() > 1) {
                long bytes = tensors.stream().mapToLong(TensorInfo::bytes).sum();
                Path index = folder.resolve(WeightsKind.SAFETENSORS.index);
                IndexWriter.write(index, weightMap, bytes);
            }
            return new CheckpointWriter(files, shards, owner);
        } catch (Throwable e) {
            for (SafetensorsWriter shard : shards) {
                shard.close();
            }
            throw e;
        }
    }

    /**
     * Shards as huggingface_hub fills them ({@code split_state_dict_into_shards_factory}): a tensor
     * above the size is a shard of its own at once; one that no longer fits begins the next.
     */
    private static List<List<TensorInfo>> split(Collection<TensorInfo> tensors, long maxBytes) {
        if (maxBytes < 1) {
            throw new IllegalArgumentException("shards of %d bytes".formatted(maxBytes));
        }
        List<List<TensorInfo>> shards = new ArrayList<>();
        List<TensorInfo> current = new ArrayList<>();
        long bytes = 0;
        for (TensorInfo info : tensors) {
            if (info.bytes() > maxBytes) {
                shards.add(List.of(info));
                continue;
            }
            if (info.bytes() > maxBytes - bytes) {
                shards.add(current);
                current = new ArrayList<>();
                bytes = 0;
            }
            current.add(info);
            bytes += info.bytes();
        }
        if (!current.isEmpty() || shards.isEmpty()) {
            shards.add(current);
        }
        return shards;
    }

    /** Lets files be hashed while they are written; to be called before any tensor is. */
    public CheckpointWriter hashing() throws IOException {
        for (SafetensorsWriter shard : shards) {
            shard.hashing();
        }
        return this;
    }

    /** Of a file that was reopened, a tensor that was written before and stays as it is. */
    public void keep(String tensor) throws IOException {
        owner(tensor).keep(tensor);
    }

    /**
     * SHA-256 of every file of weights; call it once, when everything is written.
     *
     * @throws IllegalStateException without {@link #hashing}
     */
    public Map<Path, String> sha256() throws IOException {
        Map<Path, String> hashes = new HashMap<>();
        for (int i = 0; i < shards.size(); i++) {
            hashes.put(files.get(i), shards.get(i).sha256());
        }
        return hashes;
    }

    @Override
    public void write(String tensor, long at, MemorySegment bytes) throws IOException {
        owner(tensor).write(tensor, at, bytes);
    }

    private SafetensorsWriter owner(String tensor) {
        SafetensorsWriter shard = owner.get(tensor);
        if (shard == null) {
            throw new NoSuchElementException("not planned: " + FileSpot.quote(tensor));
        }
        return shard;
    }

    @Override
    public void close() throws IOException {
        IOException first = null;
        for (SafetensorsWriter shard : shards) {
            try {
                shard.close();
            } catch (IOException e) {
                first = first == null ? e : first;
            }
        }
        if (first != null) {
            throw first;
        }
    }
}
