package graft.formats.peft;

import graft.formats.FileSpot;
import graft.formats.MalformedFileException;
import graft.formats.UnsupportedFeatureException;
import graft.formats.safetensors.SafetensorsReader;
import graft.formats.tensor.TensorInfo;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/**
 * A LoRA adapter on disk: its modules, and views of its mapped tensors.
 *
 * <p>Opening reads headers and configuration alone. Safe from any thread until {@link #close};
 * views die with it.
 */
public final class PeftAdapter implements AutoCloseable {
    /** Name of the weights in an adapter's folder. */
    public static final String WEIGHTS = "adapter_model.safetensors";

    private static final String PREFIX = "base_model.model.";
    private static final String A = ".lora_A.weight";
    private static final String B = ".lora_B.weight";
    private static final int LARGEST_SIDE = 1 << 30;

    private final Path folder;
    private final AdapterConfig config;
    private final SafetensorsReader weights;
    private final List<LoraModule> modules;
    private final List<TensorInfo> others;

    private PeftAdapter(
            Path folder,
            AdapterConfig config,
            SafetensorsReader weights,
            List<LoraModule> modules,
            List<TensorInfo> others) {
        this.folder = folder;
        this.config = config;
        this.weights = weights;
        this.modules = modules;
        this.others = others;
    }

    /** Whether {@code folder} looks like an adapter. */
    public static boolean isAt(Path folder) {
        return Files.exists(folder.resolve(AdapterConfig.FILE_NAME));
    }

    /**
     * @param folder holds {@code adapter_config.json} and {@code adapter_model.safetensors}
     * @throws graft.formats.FormatException if a rule is broken or something is not understood
     */
    public static PeftAdapter open(Path folder) throws IOException {
        AdapterConfig config = AdapterConfig.read(folder.resolve(AdapterConfig.FILE_NAME));
        Path file = folder.resolve(WEIGHTS);
        if (!Files.exists(file) && Files.exists(folder.resolve("adapter_model.bin"))) {
            throw new UnsupportedFeatureException(
                    FileSpot.of(folder.resolve("adapter_model.bin")),
                    "pickled weights are not read",
                    "save the adapter as safetensors (save_pretrained does so by default)");
        }
        SafetensorsReader weights = SafetensorsReader.open(file);
        try {
            var sorted = new Sorter(config, weights).sort();
            return new PeftAdapter(folder, config, weights, sorted.modules(), sorted.others());
        } catch (Throwable e) {
            weights.close();
            throw e;
        }
    }

    /** Where it lies. */
    public Path folder() {
        return folder;
    }

    /** Its configuration. */
    public AdapterConfig config() {
        return config;
    }

    /** Its modules, sorted by name. */
    public List<LoraModule> modules() {
        return modules;
    }

    /** Whole tensors ({@code modules_to_save}), as named in the file, sorted. */
    public List<TensorInfo> others() {
        return others;
    }

    /** The name that one of {@link #others} has in the base model. */
    public static String baseName(TensorInfo other) {
        return other.name().substring(PREFIX.length());
    }

    /** Bytes of one of its tensors. */
    public MemorySegment bytes(TensorInfo tensor) {
        return weights.bytes(tensor.name());
    }

    /** Bytes that opening read. */
    public long headerBytes() {
        return weights.headerBytes();
    }

    /** What was accepted but should not be there. */
    public List<String> warnings() {
        return weights.warnings();
    }

    @Override
    public void close() {
        weights.close();
    }

    private record Sorted(List<LoraModule> modules, List<TensorInfo> others) {}

    /** Tells factors from whole tensors, and pairs the factors. */
    private record Sorter(AdapterConfig config, SafetensorsReader weights) {
        Sorted sort() throws IOException {
            Map<String, TensorInfo> a = new TreeMap<>();
            Map<String, TensorInfo> b = new TreeMap<>();
            Map<String, TensorInfo> others = new TreeMap<>();
            for (TensorInfo info : weights.tensors()) {
                String name = info.name();
                if (name.startsWith(PREFIX) && name.endsWith(A)) {
                    a.put(name.substring(PREFIX.length(), name.length() - A.length()), info);
                } else if (name.startsWith(PREFIX) && name.endsWith(B)) {
                    b.put(name.substring(PREFIX.length(), name.length() - B.length()), info);
                } else if (isSavedWhole(name)) {
                    others.put(name, info);
                } else {
                    throw new UnsupportedFeatureException(
                            spot(info),
                            "is neither a LoRA factor of a linear or convolution layer nor in modules_to_save",
                            "merge the adapter into its base with PEFT first");
                }
            }
            for (var entry : b.entrySet()) {
                if (!a.containsKey(entry.getKey())) {
                    throw new MalformedFileException(
                            spot(entry.getValue()), "has no lora_A beside it");
                }
            }
            List<LoraModule> modules = new ArrayList<>();
            for (var entry : a.entrySet()) {
                TensorInfo partner = b.get(entry.getKey());
                if (partner == null) {
                    throw new MalformedFileException(
                            spot(entry.getValue()), "has no lora_B beside it");
                }
                modules.add(module(entry.getKey(), entry.getValue(), partner));
            }
            if (modules.isEmpty()) {
                throw new MalformedFileException(
                        FileSpot.of(weights.name()), "holds no lora_A and lora_B tensors");
            }
            return new Sorted(List.copyOf(modules), List.copyOf(others.values()));
        }

        private boolean isSavedWhole(String name) {
            if (!name.startsWith(PREFIX) || name.contains(".lora_")) {
                return false;
            }
            String path = "." + name.substring(PREFIX.length()) + ".";
            return config.modulesToSave().stream().anyMatch(m -> path.contains("." + m + "."));
        }

        private LoraModule module(String name, TensorInfo a, TensorInfo b) throws IOException {
            if (!a.dtype().isComputable() || a.dtype() != b.dtype()) {
                throw new UnsupportedFeatureException(
                        spot(a),
                        "factors of type %s and %s".formatted(a.dtype(), b.dtype()),
                        "Graft computes with F16, BF16, F32 and F64, the same for A and B");
            }
            int axes = a.shape().rank();
            if (axes < 2 || axes != b.shape().rank() || !isPointwise(b)) {
                throw new MalformedFileException(
                        spot(a), "shapes %s and %s are no A and B".formatted(a.shape(), b.shape()));
            }
            long rank = a.shape().extent(0);
            if (rank != b.shape().extent(1)) {
                throw new MalformedFileException(
                        spot(a),
                        "A has rank %d, B has %d: %s, %s"
                                .formatted(rank, b.shape().extent(1), a.shape(), b.shape()));
            }
            long out = b.shape().extent(0);
            if (rank < 1
                    || a.shape().elements() < 1
                    || out < 1
                    || Math.max(a.shape().elements(), b.shape().elements()) > LARGEST_SIDE) {
                throw new MalformedFileException(
                        spot(a), "shapes %s and %s".formatted(a.shape(), b.shape()));
            }
            if (config.rank(name) != rank) {
                throw new MalformedFileException(
                        spot(a),
                        "has rank %d, %s says %d"
                                .formatted(rank, AdapterConfig.FILE_NAME, config.rank(name)),
                        "configuration and weights belong to different adapters; get both again");
            }
            int in = (int) (a.shape().elements() / rank);
            double scale = config.scale(name, (int) rank);
            return new LoraModule(name, (int) out, in, (int) rank, scale, a, b);
        }

        /** B of a convolution has a kernel of ones. */
        private static boolean isPointwise(TensorInfo b) {
            for (int axis = 2; axis < b.shape().rank(); axis++) {
                if (b.shape().extent(axis) != 1) {
                    return false;
                }
            }
            return true;
        }

        private FileSpot spot(TensorInfo info) {
            return FileSpot.of(weights.name(), weights.fileOffset(info.name())).tensor(info.name());
        }
    }
}
