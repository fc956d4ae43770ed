package graft.formats.peft;

import graft.formats.FileSpot;
import graft.formats.UnsupportedFeatureException;
import graft.formats.peft.dialect.Dialect;
import graft.formats.peft.dialect.ModulePath;
import graft.formats.peft.dialect.PeftNames;
import graft.formats.peft.dialect.TensorRole;
import graft.formats.tensor.TensorInfo;
import graft.formats.tensor.TensorSource;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/**
 * An adapter on disk, in any dialect: what it changes, and views of its mapped tensors.
 *
 * <p>Opening reads headers and configuration alone, and the scalars that kohya keeps its scales in.
 * Safe from any thread until {@link #close}; views die with it.
 */
public final class PeftAdapter implements AutoCloseable {
    /** Name of the weights in an adapter's folder. */
    public static final String WEIGHTS = "adapter_model.safetensors";

    private final AdapterFiles files;
    private final AdapterConfig config;
    private final AdapterWeights weights;
    private final Dialect dialect;
    private final List<AdapterChange> changes;
    private final long headerBytes;

    private PeftAdapter(
            AdapterFiles files,
            AdapterConfig config,
            AdapterWeights weights,
            Dialect dialect,
            List<AdapterChange> changes,
            long headerBytes) {
        this.files = files;
        this.config = config;
        this.weights = weights;
        this.dialect = dialect;
        this.changes = changes;
        this.headerBytes = headerBytes;
    }

    /**
     * The files of the adapter at {@code path}, whether or not it can be opened: configuration, if
     * there is one, and weights, in this order.
     *
     * @throws java.nio.file.NoSuchFileException if there is no adapter
     */
    public static List<Path> filesAt(Path path) throws IOException {
        return AdapterFiles.of(path).all();
    }

    /** Whether {@code path} looks like an adapter: by the names of files, or of tensors. */
    public static boolean isAt(Path path) {
        return AdapterFiles.find(path).isPresent();
    }

    /**
     * @param path a folder with {@code adapter_config.json} and weights, or with diffusers' or
     *     kohya's weights alone, or such a file of weights
     * @throws graft.formats.FormatException if a rule is broken or something is not understood
     */
    public static PeftAdapter open(Path path) throws IOException {
        return open(path, true);
    }

    /**
     * As {@link #open}, but accepts an adapter whose training began by changing its base (PiSSA and
     * its like). What it changes is then relative to that base: use it together with {@code
     * initial}, the adapter it started from, which undoes the change.
     */
    public static PeftAdapter openUnconverted(Path path) throws IOException {
        return open(path, false);
    }

    private static PeftAdapter open(Path path, boolean basePublished) throws IOException {
        AdapterFiles files = AdapterFiles.of(path);
        // before the weights: most refusals are in it, and the file is small
        AdapterConfig config =
                files.config().isPresent()
                        ? AdapterConfig.read(files.config().get())
                        : AdapterConfig.none(FileSpot.of(files.weights()));
        if (basePublished) {
            config.checkBaseUnchanged();
        }
        AdapterWeights weights = AdapterWeights.open(files.weights());
        try {
            Dialect dialect = dialect(files, weights);
            ConfigByComponent configs =
                    files.config().isPresent()
                            ? ConfigByComponent.ofFile(config)
                            : ConfigByComponent.ofMetadata(
                                    weights.spot(), weights.source().metadata());
            var decoder = new AdapterDecoder(weights, dialect, configs);
            List<AdapterChange> changes = decoder.decode();
            long bytes = weights.source().headerBytes() + decoder.dataBytes();
            return new PeftAdapter(files, config, weights, dialect, changes, bytes);
        } catch (Throwable e) {
            weights.close();
            throw e;
        }
    }

    private static Dialect dialect(AdapterFiles files, AdapterWeights weights)
            throws UnsupportedFeatureException {
        List<String> names = weights.source().tensors().stream().map(TensorInfo::name).toList();
        Dialect dialect = Dialect.of(weights.spot(), names);
        if (dialect instanceof PeftNames && files.config().isEmpty()) {
            throw new UnsupportedFeatureException(
                    weights.spot(),
                    "holds an adapter of peft without its " + AdapterConfig.FILE_NAME,
                    "put that file beside it: it holds ranks and scales");
        }
        return dialect;
    }

    /** Where it lies: its folder, or that of its file. */
    public Path folder() {
        return files.folder();
    }

    /** The files it is made of: the configuration, if there is one, and the weights. */
    public List<Path> files() {
        return files.all();
    }

    /** Its configuration; for other dialects than peft's one that says LoRA and nothing more. */
    public AdapterConfig config() {
        return config;
    }

    /** How its tensors are named: {@code peft}, {@code diffusers} or {@code kohya}. */
    public String dialect() {
        return dialect.word();
    }

    /** All that it changes: what it replaces first, then by name. */
    public List<AdapterChange> changes() {
        return changes;
    }

    /** Where the module that a change {@linkplain AdapterChange#name names} lies in a base. */
    public ModulePath locate(AdapterChange change) {
        return dialect.locate(change.name());
    }

    /** Its low-rank modules, sorted by name. */
    public List<LoraModule> modules() {
        return changes.stream()
                .filter(LoraModule.class::isInstance)
                .map(LoraModule.class::cast)
                .toList();
    }

    /** Whole tensors, as named in the file, sorted. */
    public List<TensorInfo> others() {
        return changes.stream()
                .filter(ReplacedTensor.class::isInstance)
                .map(change -> ((ReplacedTensor) change).tensor())
                .toList();
    }

    /** The name that one of {@link #others} has in the base model. */
    public static String baseName(TensorInfo other) {
        return new PeftNames().parse(other.name()).map(TensorRole::module).orElseThrow();
    }

    /**
     * Refuses an adapter that holds anything but plain low-rank modules and whole tensors, or is
     * not of peft's dialect.
     *
     * @param verb what was asked for, such as {@code graft reduce}
     */
    public void checkLowRankOnly(String verb) throws UnsupportedFeatureException {
        if (!(dialect instanceof PeftNames)) {
            throw new UnsupportedFeatureException(
                    weights.spot(),
                    "%s does not handle the dialect %s".formatted(verb, dialect.word()),
                    "merge the adapter into its base first (graft apply)");
        }
        for (AdapterChange change : changes) {
            boolean plain =
                    switch (change) {
                        case LoraModule module ->
                                module.isPlain() && module.layer() != LoraModule.Layer.EMBEDDING;
                        case ReplacedTensor _ -> true;
                        case LoraParameter _, DenseChange _, ReplacedRows _ -> false;
                    };
            if (!plain) {
                throw new UnsupportedFeatureException(
                        weights.spot(change.tensors().getFirst()),
                        "%s does not handle %s".formatted(verb, words(change)),
                        "merge the adapter into its base first (graft apply)");
            }
        }
    }

    private static String words(AdapterChange change) {
        return switch (change) {
            case LoraModule module when module.magnitude() != null -> "magnitudes (DoRA)";
            case LoraModule module when module.bias() != null -> "lora_bias";
            case LoraModule _ -> "an embedding";
            case LoraParameter _ -> "target_parameters";
            case DenseChange dense -> dense.getClass().getSimpleName();
            case ReplacedRows _ -> "trained tokens";
            case ReplacedTensor _ -> "whole tensors";
        };
    }

    /** Bytes of one of its tensors. */
    public MemorySegment bytes(TensorInfo tensor) {
        return weights.source().bytes(tensor.name());
    }

    /** Its tensors as they are in the file. */
    public TensorSource tensors() {
        return weights.source();
    }

    /** Bytes of the weights that opening read. */
    public long headerBytes() {
        return headerBytes;
    }

    /** What was accepted but should not be there. */
    public List<String> warnings() {
        List<String> warnings = new ArrayList<>(weights.source().warnings());
        if (config.initialisation().equals("loftq")) {
            warnings.add(
                    "init_lora_weights loftq: the adapter is relative to the quantised base,"
                            + " and fits the published one only roughly");
        }
        return List.copyOf(warnings);
    }

    @Override
    public void close() {
        weights.close();
    }
}
