package graft.formats.peft;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import com.fasterxml.jackson.core.util.DefaultIndenter;
import com.fasterxml.jackson.core.util.DefaultPrettyPrinter;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;

import graft.formats.JsonTree;
import graft.formats.peft.dialect.PeftNames;
import graft.formats.safetensors.SafetensorsWriter;
import graft.formats.tensor.DType;
import graft.formats.tensor.Elements;
import graft.formats.tensor.Shape;
import graft.formats.tensor.TensorInfo;

import java.io.IOException;
import java.io.StringWriter;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * Writes an adapter for the readers of one {@link AdapterProfile}, its scales in the factors, names
 * as peft writes them whatever wrappers the source's were saved with. Factors may be written from
 * any thread, in any order; bytes do not depend on it.
 */
public final class PeftAdapterWriter implements AutoCloseable {
    private static final Map<String, String> METADATA = Map.of("format", "pt");
    private static final JsonFactory JSON = new JsonFactory();

    private final SafetensorsWriter weights;

    private PeftAdapterWriter(SafetensorsWriter weights) {
        this.weights = weights;
    }

    /**
     * Writes the configuration and the whole tensors, and plans the factors.
     *
     * @param folder exists and is empty; give it its final name after {@link #close}
     * @param template its fields are carried over, but for ranks, scales and, unless they select
     *     {@code modules} and nothing else, targets
     * @param targetsHold whether the template's targets select exactly {@code modules}
     * @param modules as they will be: new ranks and types, scale 1; of one rank for a profile that
     *     {@linkplain AdapterProfile#isPadded is padded}
     * @throws IllegalArgumentException if there is no module, or one has another scale
     */
    public static PeftAdapterWriter create(
            Path folder,
            AdapterConfig template,
            boolean targetsHold,
            List<LoraModule> modules,
            List<WholeTensor> others,
            AdapterProfile profile)
            throws IOException {
        if (modules.isEmpty() || modules.stream().anyMatch(module -> module.scale() != 1)) {
            throw new IllegalArgumentException("%d modules, or a scale".formatted(modules.size()));
        }
        if (profile.weights().equals(PeftAdapter.WEIGHTS)) {
            ObjectNode config = template.document();
            ranks(config, modules, profile);
            if (!targetsHold) {
                // PEFT would make fresh modules wherever the old targets match
                var targets = config.putArray("target_modules");
                modules.forEach(module -> targets.add(module.name()));
                config.remove(List.of("exclude_modules", "layers_to_transform", "layers_pattern"));
            }
            write(folder.resolve(AdapterConfig.FILE_NAME), config);
        }
        var weights =
                SafetensorsWriter.create(
                        folder.resolve(profile.weights()),
                        tensors(modules, others, profile),
                        METADATA);
        try {
            weights.hashing();
            if (profile == AdapterProfile.kohya) {
                for (LoraModule module : modules) {
                    MemorySegment alpha = MemorySegment.ofArray(new byte[4]);
                    Elements.narrow(DType.F32, new float[] {module.rank()}, 0, alpha, 0, 1);
                    weights.write(alpha(module).name(), 0, alpha);
                }
            }
            for (WholeTensor other : others) {
                weights.write(PeftNames.canonical(other.info().name()), 0, other.bytes());
            }
            return new PeftAdapterWriter(weights);
        } catch (Throwable e) {
            weights.close();
            throw e;
        }
    }

    /** Bytes of the file of weights that {@link #create} would plan, header included. */
    public static long fileBytes(
            List<LoraModule> modules, List<WholeTensor> others, AdapterProfile profile)
            throws IOException {
        return SafetensorsWriter.fileBytes(tensors(modules, others, profile), METADATA);
    }

    private static List<TensorInfo> tensors(
            List<LoraModule> modules, List<WholeTensor> others, AdapterProfile profile) {
        List<TensorInfo> tensors = new ArrayList<>();
        others.forEach(other -> tensors.add(canonical(other.info())));
        for (LoraModule module : modules) {
            tensors.add(canonical(module.a()));
            tensors.add(canonical(module.b()));
            if (profile == AdapterProfile.kohya) {
                tensors.add(alpha(module));
            }
        }
        return tensors;
    }

    private static TensorInfo canonical(TensorInfo info) {
        return new TensorInfo(PeftNames.canonical(info.name()), info.dtype(), info.shape());
    }

    private static TensorInfo alpha(LoraModule module) {
        String down = module.a().name();
        String path = down.substring(0, down.indexOf('.')); // kohya's paths have no dots
        return new TensorInfo(path + ".alpha", DType.F32, Shape.of());
    }

    /** Writes both factors of one module. */
    public void write(LoraModule module, MemorySegment b, MemorySegment a) throws IOException {
        weights.write(PeftNames.canonical(module.b().name()), 0, b);
        weights.write(PeftNames.canonical(module.a().name()), 0, a);
    }

    /** SHA-256 of the file of weights, in lower-case hex; to be called once, at the end. */
    public String sha256() throws IOException {
        return weights.sha256();
    }

    @Override
    public void close() throws IOException {
        weights.close();
    }

    private static void ranks(ObjectNode config, List<LoraModule> modules, AdapterProfile profile) {
        int common = commonest(modules);
        if (profile.isPadded() && modules.stream().anyMatch(module -> module.rank() != common)) {
            throw new IllegalArgumentException("a padded profile with several ranks");
        }
        ObjectNode ranks = JsonNodeFactory.instance.objectNode();
        ObjectNode alphas = JsonNodeFactory.instance.objectNode();
        for (LoraModule module : modules) {
            boolean isCommon = module.rank() == common;
            if (!isCommon) {
                ranks.put(pattern(module.name(), modules), module.rank());
            }
            if (!isCommon || profile == AdapterProfile.gguf) {
                alphas.put(pattern(module.name(), modules), module.rank());
            }
        }
        config.put("r", common);
        config.put("lora_alpha", profile == AdapterProfile.gguf ? 0 : common);
        config.put("use_rslora", false);
        config.put("init_lora_weights", true);
        config.set("rank_pattern", ranks);
        config.set("alpha_pattern", alphas);
    }

    private static void write(Path file, ObjectNode config) throws IOException {
        var printer =
                new DefaultPrettyPrinter().withObjectIndenter(new DefaultIndenter("  ", "\n"));
        var text = new StringWriter();
        try (JsonGenerator json = JSON.createGenerator(text)) {
            json.setPrettyPrinter(printer);
            JsonTree.writeSorted(json, config);
        }
        Files.writeString(file, text + "\n");
    }

    /** The rank of most modules, the higher of two equally common ones. */
    private static int commonest(List<LoraModule> modules) {
        Map<Integer, Integer> counts = new HashMap<>();
        modules.forEach(module -> counts.merge(module.rank(), 1, Integer::sum));
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
    private static String pattern(String module, List<LoraModule> modules) {
        String escaped = module.replaceAll("[^A-Za-z0-9_]", "\\\\$0");
        boolean isTail = modules.stream().anyMatch(other -> other.name().endsWith("." + module));
        return isTail ? "^" + escaped : escaped;
    }
}
