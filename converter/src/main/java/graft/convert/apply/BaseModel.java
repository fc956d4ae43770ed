package graft.convert.apply;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;

import graft.formats.checkpoint.Checkpoint;
import graft.formats.tensor.TensorInfo;

import org.jspecify.annotations.Nullable;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/** One component of a base: its weights, how they lie in files, and its configuration. */
final class BaseModel implements AutoCloseable {
    private static final String DIFFUSERS_FILE = "diffusion_pytorch_model.safetensors";
    private static final long LARGEST_CONFIG = 1 << 24;

    /** One file of weights: its name in the output, its tensors, and its metadata. */
    record Shard(String name, List<TensorInfo> tensors, Map<String, String> metadata) {}

    private final Path path;
    private final String source;
    private final Checkpoint weights;
    private final List<Shard> shards;
    private final BaseNames names;
    private final @Nullable JsonNode config;

    private BaseModel(
            Path path,
            String source,
            Checkpoint weights,
            List<Shard> shards,
            @Nullable JsonNode config) {
        this.path = path;
        this.source = source;
        this.weights = weights;
        this.shards = shards;
        this.names = new BaseNames(weights);
        this.config = config;
    }

    static BaseModel open(Path path, String source) throws IOException {
        Path diffusers = path.resolve(DIFFUSERS_FILE);
        boolean isComponent = Files.isDirectory(path) && Files.exists(diffusers);
        Checkpoint weights = Checkpoint.open(isComponent ? diffusers : path);
        try {
            List<Shard> shards = new ArrayList<>();
            for (Path file : weights.files()) {
                try (var shard = Checkpoint.open(file)) {
                    shards.add(
                            new Shard(
                                    safetensorsName(file.getFileName().toString()),
                                    shard.tensors(),
                                    shard.metadata()));
                }
            }
            return new BaseModel(path, source, weights, shards, config(path));
        } catch (Throwable e) {
            weights.close();
            throw e;
        }
    }

    /** What a file of pickled weights is called once it is safetensors. */
    private static String safetensorsName(String file) {
        if (file.endsWith(".safetensors")) {
            return file;
        }
        int dot = file.lastIndexOf('.');
        String stem = dot < 0 ? file : file.substring(0, dot);
        return stem.replaceFirst("^pytorch_model", "model") + ".safetensors";
    }

    private static @Nullable JsonNode config(Path path) throws IOException {
        Path folder = Files.isDirectory(path) ? path : path.resolveSibling("");
        Path file = folder.resolve("config.json");
        if (!Files.exists(file) || Files.size(file) > LARGEST_CONFIG) {
            return null;
        }
        try {
            return new ObjectMapper().readTree(Files.readAllBytes(file));
        } catch (com.fasterxml.jackson.core.JsonProcessingException e) {
            return null; // not ours to judge; it is copied as it is
        }
    }

    /** What the user called it. */
    String source() {
        return source;
    }

    /** File or folder. */
    Path path() {
        return path;
    }

    Checkpoint weights() {
        return weights;
    }

    BaseNames names() {
        return names;
    }

    List<Shard> shards() {
        return shards;
    }

    MemorySegment bytes(TensorInfo info) {
        return weights.bytes(info.name());
    }

    /** {@code config.json}, if it lies beside the weights and can be read. */
    @Nullable JsonNode config() {
        return config;
    }

    /** Architecture by {@code config.json}; empty if that does not say. */
    String modelType() {
        return config == null ? "" : config.path("model_type").asText("");
    }

    @Override
    public void close() {
        weights.close();
    }
}
