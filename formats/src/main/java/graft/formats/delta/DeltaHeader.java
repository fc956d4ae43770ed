package graft.formats.delta;

import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/**
 * What a delta says of itself.
 *
 * @param baseName what the base was called when the delta was made
 * @param baseSha256 content hash of the base's tensors that the delta builds on; see the
 *     specification
 * @param options how it was made, for people
 * @param seed of the dither, below {@link CounterRandom#SEEDS}; 0 where there is none
 * @param modelMetadata {@code __metadata__} of the model's own file
 * @param tensors every tensor of the model that is stored sparse, sorted by name
 * @param tied tensors that are another of the model's tensors once more, and which: one that is
 *     stored, sparse or whole
 */
public record DeltaHeader(
        String baseName,
        String baseSha256,
        Map<String, String> options,
        long seed,
        Map<String, String> modelMetadata,
        List<SparseTensor> tensors,
        Map<String, String> tied) {
    /** Name of the file in a delta's folder. */
    public static final String FILE_NAME = "delta.safetensors";

    /** Version of the layout; a reader refuses a higher one. */
    public static final int VERSION = 1;

    static final String BLOB = "graft.sparse";
    static final String DIRECTORY = "graft.directory";
    static final String FORMAT_KEY = "format";
    static final String FORMAT = "graft-sparse-delta";
    static final String VERSION_KEY = "format_version";

    public DeltaHeader {
        options = Map.copyOf(options);
        modelMetadata = Map.copyOf(modelMetadata);
        tensors = List.copyOf(tensors);
        tied = Collections.unmodifiableMap(new TreeMap<>(tied));
    }

    /** Bytes of the blob. */
    public long sparseBytes() {
        return tensors.stream().mapToLong(SparseTensor::bytes).reduce(0, Math::addExact);
    }
}
