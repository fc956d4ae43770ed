package graft.formats.peft;

import com.fasterxml.jackson.core.util.DefaultIndenter;
import com.fasterxml.jackson.core.util.DefaultPrettyPrinter;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.SerializationFeature;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;

import graft.formats.safetensors.SafetensorsWriter;
import graft.formats.tensor.DType;
import graft.formats.tensor.Shape;
import graft.formats.tensor.TensorInfo;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.SortedMap;
import java.util.TreeMap;

/**
 * Writes an adapter of lower ranks that {@code peft} loads as it is (profile {@code pattern}).
 *
 * <p>The scale is in the factors, so α = r for every module: {@code r} and {@code lora_alpha} hold
 * the commonest rank, {@code rank_pattern} and {@code alpha_pattern} the others. Everything else in
 * the configuration, and every whole tensor, is carried over from the source. Factors may be
 * written from any thread, in any order; bytes do not depend on it.
 */
public final class PeftAdapterWriter implements AutoCloseable {
    private static final ObjectMapper JSON =
            JsonMapper.builder().enable(SerializationFeature.ORDER_MAP_ENTRIES_BY_KEYS).build();

    private final SafetensorsWriter weights;

    private PeftAdapterWriter(SafetensorsWriter weights) {
        this.weights = weights;
    }

    /**
     * Writes the configuration and the whole tensors, and plans the factors.
     *
     * @param folder exists and is empty; give it its final name after {@link #close}
     * @param ranks new rank per module name; modules that are missing are dropped
     * @throws IllegalArgumentException if {@code ranks} is empty or names an unknown module
     */
    public static PeftAdapterWriter create(
            Path folder, PeftAdapter source, SortedMap<String, Integer> ranks) throws IOException {
        List<TensorInfo> tensors = new ArrayList<>(source.others());
        int known = 0;
        for (LoraModule module : source.modules()) {
            Integer rank = ranks.get(module.name());
            if (rank != null) {
                tensors.add(a(module, rank));
                tensors.add(b(module, rank));
                known++;
            }
        }
        if (known == 0 || known != ranks.size()) {
            throw new IllegalArgumentException(
                    "ranks of %d modules, %d known".formatted(ranks.size(), known));
        }
        writeConfig(folder.resolve(AdapterConfig.FILE_NAME), source, ranks);
        var weights =
                SafetensorsWriter.create(
                        folder.resolve(PeftAdapter.WEIGHTS), tensors, Map.of("format", "pt"));
        try {
            for (TensorInfo other : source.others()) {
                weights.write(other.name(), 0, source.bytes(other));
            }
            return new PeftAdapterWriter(weights);
        } catch (Throwable e) {
            weights.close();
            throw e;
        }
    }

    /** What A of {@code module} is at another rank: the first extent changes. */
    public static TensorInfo a(LoraModule module, int rank) {
        long[] extents = module.a().shape().toArray();
        extents[0] = rank;
        return new TensorInfo(module.a().name(), module.a().dtype(), Shape.of(extents));
    }

    /** What B of {@code module} is at another rank: the second extent changes. */
    public static TensorInfo b(LoraModule module, int rank) {
        long[] extents = module.b().shape().toArray();
        extents[1] = rank;
        return new TensorInfo(module.b().name(), module.b().dtype(), Shape.of(extents));
    }

    /** Type of the factors written for {@code module}: that of the source. */
    public static DType dtype(LoraModule module) {
        return module.a().dtype();
    }

    /** Writes both factors of one module. */
    public void write(LoraModule module, MemorySegment b, MemorySegment a) throws IOException {
        weights.write(module.b().name(), 0, b);
        weights.write(module.a().name(), 0, a);
    }

    @Override
    public void close() throws IOException {
        weights.close();
    }

    private static void writeConfig(Path file, PeftAdapter source, SortedMap<String, Integer> ranks)
            throws IOException {
        int common = commonest(ranks);
        ObjectNode patterns = JSON.createObjectNode();
        ranks.forEach((module, rank) -> {
            if (rank != common) {
                patterns.put(pattern(module, ranks), rank);
            }
        });
        ObjectNode config = source.config().document();
        config.put("r", common);
        config.put("lora_alpha", common);
        config.put("use_rslora", false);
        config.put("init_lora_weights", true);
        config.set("rank_pattern", patterns);
        config.set("alpha_pattern", patterns.deepCopy());
        if (ranks.size() < source.modules().size()) {
            // PEFT would make fresh modules wherever the old targets match
            var targets = config.putArray("target_modules");
            ranks.keySet().forEach(targets::add);
            config.remove(List.of("exclude_modules", "layers_to_transform", "layers_pattern"));
        }
        var printer =
                new DefaultPrettyPrinter().withObjectIndenter(new DefaultIndenter("  ", "\n"));
        Object sorted = JSON.treeToValue(config, TreeMap.class);
        Files.writeString(file, JSON.writer(printer).writeValueAsString(sorted) + "\n");
    }

    /** The rank of most modules, the higher of two equally common ones. */
    private static int commonest(SortedMap<String, Integer> ranks) {
        Map<Integer, Integer> counts = new HashMap<>();
        ranks.values().forEach(rank -> counts.merge(rank, 1, Integer::sum));
        return counts.entrySet().stream()
                .max(
                        Map.Entry.<Integer, Integer>comparingByValue()
                                .thenComparing(Map.Entry.comparingByKey()))
                .orElseThrow()
                .getKey();
    }

    /**
     * A key that PEFT matches with this module alone. A path also matches as the tail of a longer
     * one; where that would be another module, it is tied to the start.
     */
    private static String pattern(String module, SortedMap<String, Integer> ranks) {
        String escaped = module.replaceAll("[^A-Za-z0-9_]", "\\\\$0");
        boolean isTail = ranks.keySet().stream().anyMatch(other -> other.endsWith("." + module));
        return isTail ? "^" + escaped : escaped;
    }
}
