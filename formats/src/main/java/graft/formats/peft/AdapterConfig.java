package graft.formats.peft;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;

import graft.formats.FileSpot;
import graft.formats.LimitExceededException;
import graft.formats.MalformedFileException;
import graft.formats.StrictJson;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/**
 * {@code adapter_config.json}: what it says of ranks and scales, and the document itself for
 * writing one like it. Immutable.
 */
public final class AdapterConfig {
    /** Name of the file in an adapter's folder. */
    public static final String FILE_NAME = "adapter_config.json";

    private static final long MAX_BYTES = 16 << 20;
    private static final int DEFAULT_RANK = 8;
    private static final double DEFAULT_ALPHA = 8;

    private final FileSpot spot;
    private final ObjectNode document;
    private final PeftType type;
    private final int rank;
    private final double alpha;
    private final boolean rankStabilised;
    private final List<String> modulesToSave;
    private final List<String> targetParameters;
    private final ModulePatterns rankPattern;
    private final ModulePatterns alphaPattern;

    private AdapterConfig(FileSpot spot, ObjectNode document) throws IOException {
        this.spot = spot;
        this.document = document;
        this.type = ConfigFields.check(spot, document);
        boolean lycoris = type == PeftType.LOHA || type == PeftType.LOKR;
        this.rank = (int) number(spot, document, "r", DEFAULT_RANK);
        this.alpha = number(spot, document, lycoris ? "alpha" : "lora_alpha", DEFAULT_ALPHA);
        this.rankStabilised = document.path("use_rslora").asBoolean(false);
        this.modulesToSave = strings(spot, document.path("modules_to_save"), "modules_to_save");
        this.targetParameters =
                strings(spot, document.path("target_parameters"), "target_parameters");
        // AdaLoRA keeps masks there, whose effect is in the stored factors
        this.rankPattern =
                type == PeftType.ADALORA
                        ? new ModulePatterns(List.of())
                        : ModulePatterns.of(spot, "rank_pattern", document.path("rank_pattern"));
        this.alphaPattern =
                ModulePatterns.of(spot, "alpha_pattern", document.path("alpha_pattern"));
    }

    /**
     * @throws graft.formats.UnsupportedFeatureException naming the type or field that is not
     *     handled
     * @throws MalformedFileException if it is no configuration
     */
    public static AdapterConfig read(Path file) throws IOException {
        var spot = FileSpot.of(file);
        if (Files.size(file) > MAX_BYTES) {
            throw new LimitExceededException(spot, "%d bytes".formatted(Files.size(file)));
        }
        JsonNode root = StrictJson.read(spot, "", Files.readAllBytes(file));
        if (!(root instanceof ObjectNode document)) {
            throw new MalformedFileException(spot, "not a JSON object");
        }
        return new AdapterConfig(spot, document);
    }

    /** A configuration that is not in a file of its own. */
    static AdapterConfig of(FileSpot spot, ObjectNode document) throws IOException {
        return new AdapterConfig(spot, document);
    }

    /** What an adapter without a configuration is: LoRA. */
    static AdapterConfig none(FileSpot spot) throws IOException {
        return new AdapterConfig(spot, emptyDocument().put("peft_type", "LORA"));
    }

    /**
     * @throws graft.formats.UnsupportedFeatureException if training began by changing the base, as
     *     PiSSA does
     */
    void checkBaseUnchanged() throws IOException {
        ConfigFields.checkInit(spot, initialisation());
    }

    private static double number(FileSpot spot, JsonNode document, String field, double missing)
            throws MalformedFileException {
        JsonNode value = document.path(field);
        if (value.isMissingNode() || value.isNull()) {
            return missing;
        }
        if (!value.isNumber() || !Double.isFinite(value.asDouble())) {
            throw new MalformedFileException(
                    spot, "%s is not a number: %s".formatted(field, value));
        }
        return value.asDouble();
    }

    private static List<String> strings(FileSpot spot, JsonNode value, String field)
            throws MalformedFileException {
        List<String> strings = new ArrayList<>();
        if (value.isMissingNode() || value.isNull()) {
            return strings;
        }
        if (!value.isArray()) {
            throw new MalformedFileException(spot, field + " is not a list");
        }
        for (JsonNode element : value) {
            if (!element.isTextual()) {
                throw new MalformedFileException(spot, field + " holds something not a string");
            }
            strings.add(element.asText());
        }
        return List.copyOf(strings);
    }

    /** What kind of adapter it is. */
    public PeftType type() {
        return type;
    }

    /** Where it was read from, for errors. */
    FileSpot spot() {
        return spot;
    }

    /** The rank that the configuration gives {@code module}. */
    public int rank(String module) {
        return (int) rankPattern.first(module).orElse(rank);
    }

    /**
     * @param factor where the factor lies that has {@code storedRank}
     * @throws MalformedFileException if {@code module} has another rank
     */
    void checkRank(FileSpot factor, String module, long storedRank) throws MalformedFileException {
        int expected = rank(module);
        if (storedRank != expected || storedRank < 1) {
            throw new MalformedFileException(
                    factor,
                    "has rank %d, %s says %d".formatted(storedRank, FILE_NAME, expected),
                    "configuration and weights belong to different adapters; get both again");
        }
    }

    /** The scale s of {@code module}, whose factors have {@code storedRank}. */
    public double scale(String module, int storedRank) {
        double a = alphaPattern.first(module).orElse(alpha);
        return rankStabilised ? a / Math.sqrt(storedRank) : a / storedRank;
    }

    /** AdaLoRA's α; LoRA's where no pattern names the module. */
    double defaultAlpha() {
        return alpha;
    }

    /** AdaLoRA's rank before pruning, which its scale is divided by. */
    double initialRank() throws IOException {
        return number(spot, document, "init_r", 12);
    }

    /** Whether s is α/√r. */
    public boolean isRankStabilised() {
        return rankStabilised;
    }

    /** Modules that the adapter replaces whole, such as a task's head. */
    public List<String> modulesToSave() {
        return modulesToSave;
    }

    /** Parameters, such as a stack of experts, that are adapted without a layer of their own. */
    List<String> targetParameters() {
        return targetParameters;
    }

    /** Whether modules carry a magnitude vector (DoRA). */
    public boolean usesDora() {
        return document.path("use_dora").asBoolean(false);
    }

    /** Whether B has a bias. */
    boolean hasLoraBias() {
        return document.path("lora_bias").asBoolean(false);
    }

    /** Whether biases of the base were trained too, and are saved whole. */
    boolean savesBiases() {
        return !document.path("bias").asText("none").equals("none");
    }

    /** Whether IA3 scales the inputs of {@code module} instead of its outputs. */
    boolean isFeedforward(String module) throws IOException {
        JsonNode modules = document.path("feedforward_modules");
        if (modules.isTextual()) {
            return ModulePatterns.isWhole(spot, "feedforward_modules", modules.asText(), module);
        }
        return strings(spot, modules, "feedforward_modules").stream()
                .anyMatch(name -> module.equals(name) || module.endsWith("." + name));
    }

    /**
     * The rows of {@code module} that were trained, in the order in which they are stored.
     *
     * @throws MalformedFileException if the configuration lists none
     */
    List<Integer> tokens(String module) throws MalformedFileException {
        boolean own = type == PeftType.TRAINABLE_TOKENS;
        String field = own ? "token_indices" : "trainable_token_indices";
        JsonNode found = document.path(field);
        if (found.isObject()) {
            for (var entry : found.properties()) {
                if (module.equals(entry.getKey()) || module.endsWith("." + entry.getKey())) {
                    return integers(entry.getValue(), field);
                }
            }
            throw new MalformedFileException(
                    spot, "%s says nothing of %s".formatted(field, FileSpot.quote(module)));
        }
        return integers(found, field);
    }

    private List<Integer> integers(JsonNode list, String field) throws MalformedFileException {
        List<Integer> values = new ArrayList<>();
        for (JsonNode element : list) {
            if (!element.canConvertToInt() || !element.isIntegralNumber() || element.asInt() < 0) {
                throw new MalformedFileException(
                        spot, "%s holds %s, not a token".formatted(field, element));
            }
            values.add(element.asInt());
        }
        if (values.isEmpty() || !list.isArray()) {
            throw new MalformedFileException(spot, field + " is not a list of tokens");
        }
        return List.copyOf(values);
    }

    /** Version of peft that wrote it; empty if it does not say. */
    public Optional<String> peftVersion() {
        return Optional.ofNullable(document.path("peft_version").textValue());
    }

    /** How training began: {@code true}, {@code pissa}, … */
    public String initialisation() {
        JsonNode init = document.path("init_lora_weights");
        return init.isMissingNode() || init.isNull() ? "true" : init.asText();
    }

    /** Whether the base stores weights (in, out); null in the file means no. */
    public boolean isFanInFanOut() {
        return document.path("fan_in_fan_out").asBoolean(false);
    }

    /** The base model as the adapter names it. */
    public Optional<String> baseModel() {
        return Optional.ofNullable(document.path("base_model_name_or_path").textValue());
    }

    /**
     * A configuration for an adapter that is made, not trained.
     *
     * @param base model that it applies to, as its users name it
     * @param fanInFanOut whether that stores weights (in, out)
     * @param modulesToSave paths of modules that it replaces whole
     * @param savesBiases whether it replaces biases of the base
     */
    public static AdapterConfig fresh(
            String base, boolean fanInFanOut, List<String> modulesToSave, boolean savesBiases)
            throws IOException {
        ObjectNode document = emptyDocument();
        document.put("peft_type", "LORA");
        document.put("base_model_name_or_path", base);
        document.put("bias", savesBiases ? "all" : "none");
        document.put("fan_in_fan_out", fanInFanOut);
        document.put("inference_mode", true);
        document.put("lora_dropout", 0.0);
        if (modulesToSave.isEmpty()) {
            document.putNull("modules_to_save");
        } else {
            var modules = document.putArray("modules_to_save");
            modulesToSave.forEach(modules::add);
        }
        document.putNull("task_type");
        return new AdapterConfig(FileSpot.of(FILE_NAME), document);
    }

    /** The same configuration of an adapter that has factors and nothing else. */
    public AdapterConfig factorsOnly() throws IOException {
        ObjectNode copy = document();
        copy.putNull("modules_to_save");
        copy.put("bias", "none");
        copy.remove("trainable_token_indices");
        return new AdapterConfig(FileSpot.of(FILE_NAME), copy);
    }

    private static ObjectNode emptyDocument() {
        return JsonNodeFactory.instance.objectNode();
    }

    /** A copy of the document, to derive another one from. */
    ObjectNode document() {
        return document.deepCopy();
    }
}
