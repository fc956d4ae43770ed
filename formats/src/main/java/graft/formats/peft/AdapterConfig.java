package graft.formats.peft;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.StreamReadFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;

import graft.formats.FileSpot;
import graft.formats.LimitExceededException;
import graft.formats.MalformedFileException;

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

    private static final JsonMapper JSON =
            JsonMapper.builder().enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION).build();

    private final ObjectNode document;
    private final int rank;
    private final double alpha;
    private final boolean rankStabilised;
    private final List<String> modulesToSave;
    private final ModulePatterns rankPattern;
    private final ModulePatterns alphaPattern;

    private AdapterConfig(FileSpot spot, ObjectNode document) throws IOException {
        this.document = document;
        this.rank = (int) number(spot, document, "r", DEFAULT_RANK);
        this.alpha = number(spot, document, "lora_alpha", DEFAULT_ALPHA);
        this.rankStabilised = document.path("use_rslora").asBoolean(false);
        this.modulesToSave = strings(spot, document.path("modules_to_save"), "modules_to_save");
        this.rankPattern = ModulePatterns.of(spot, "rank_pattern", document.path("rank_pattern"));
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
        JsonNode root;
        try {
            root = JSON.readTree(Files.readAllBytes(file));
        } catch (JsonProcessingException e) {
            throw new MalformedFileException(spot, "not valid JSON: " + e.getOriginalMessage());
        }
        if (!(root instanceof ObjectNode document)) {
            throw new MalformedFileException(spot, "not a JSON object");
        }
        ConfigFields.check(spot, document);
        return new AdapterConfig(spot, document);
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

    /** The rank that the configuration gives {@code module}. */
    public int rank(String module) {
        return (int) rankPattern.first(module).orElse(rank);
    }

    /** The scale s of {@code module}, whose factors have {@code storedRank}. */
    public double scale(String module, int storedRank) {
        double a = alphaPattern.first(module).orElse(alpha);
        return rankStabilised ? a / Math.sqrt(storedRank) : a / storedRank;
    }

    /** The rank of modules that no pattern names. */
    public int defaultRank() {
        return rank;
    }

    /** Whether s is α/√r. */
    public boolean isRankStabilised() {
        return rankStabilised;
    }

    /** Modules that the adapter replaces whole, such as a task's head. */
    public List<String> modulesToSave() {
        return modulesToSave;
    }

    /** Whether the base stores weights (in, out); null in the file means no. */
    public boolean isFanInFanOut() {
        return document.path("fan_in_fan_out").asBoolean(false);
    }

    /** The base model as the adapter names it. */
    public Optional<String> baseModel() {
        return Optional.ofNullable(document.path("base_model_name_or_path").textValue());
    }

    /** A copy of the document, to derive another one from. */
    ObjectNode document() {
        return document.deepCopy();
    }
}
