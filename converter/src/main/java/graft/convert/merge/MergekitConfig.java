package graft.convert.merge;

import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.dataformat.yaml.YAMLFactory;
import com.fasterxml.jackson.dataformat.yaml.YAMLParser;

import graft.formats.FileSpot;
import graft.formats.FormatException;
import graft.formats.LimitExceededException;
import graft.formats.MalformedFileException;
import graft.formats.UnsupportedFeatureException;
import graft.formats.tensor.DType;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/**
 * A merge as mergekit's configuration files say it: {@code linear}, {@code task_arithmetic}, {@code
 * ties}, {@code dare_linear}, {@code dare_ties} and {@code breadcrumbs} over {@code models}, with
 * parameters as numbers or lists of filters. All else is refused by name, never left out.
 *
 * @param base what the fine-tunes started from; for {@code linear} without one, the first model
 * @param models in the order of the file, without the base where it takes no part
 * @param options the merge
 * @param dtype type of the result; empty for the base's
 */
public record MergekitConfig(
        String base, List<String> models, MergeOptions options, Optional<DType> dtype) {
    private static final YAMLFactory TOKENS = new YAMLFactory();
    private static final ObjectMapper YAML =
            new ObjectMapper(TOKENS)
                    .enable(JsonParser.Feature.STRICT_DUPLICATE_DETECTION)
                    .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS);
    private static final long MAX_BYTES = 1_000_000;
    private static final Set<String> KNOWN =
            Set.of(
                    "models",
                    "merge_method",
                    "base_model",
                    "parameters",
                    "dtype",
                    "out_dtype",
                    "tokenizer_source",
                    "tokenizer");
    private static final Map<String, MergeMethod> METHODS =
            Map.of(
                    "linear", MergeMethod.TASK_ARITHMETIC,
                    "task_arithmetic", MergeMethod.TASK_ARITHMETIC,
                    "ties", MergeMethod.TIES,
                    "dare_linear", MergeMethod.DARE,
                    "dare_ties", MergeMethod.DARE_TIES,
                    "breadcrumbs", MergeMethod.BREADCRUMBS);
    private static final Set<String> NUMBERS = Set.of("weight", "density", "gamma");

    public MergekitConfig {
        models = List.copyOf(models);
    }

    /** Whether a file is such a one, by its ending. */
    public static boolean isNamed(String path) {
        return path.endsWith(".yml") || path.endsWith(".yaml");
    }

    /**
     * Reads a file of one merge.
     *
     * @throws UnsupportedFeatureException naming what this Graft does not merge by
     * @throws MalformedFileException if it is no such file
     */
    public static MergekitConfig read(Path file) throws IOException {
        var spot = FileSpot.of(file);
        if (Files.size(file) > MAX_BYTES) {
            throw new LimitExceededException(spot, "more than 1 MB of configuration");
        }
        try {
            refuseAliases(file, spot);
            JsonNode root = YAML.readTree(file.toFile());
            if (!root.isObject()) {
                throw new MalformedFileException(spot, "is no mapping of merge_method, models, …");
            }
            return new Reader(spot, root).read();
        } catch (JsonProcessingException e) {
            throw new MalformedFileException(
                    spot, "not one YAML document: " + e.getOriginalMessage());
        }
    }

    /** A tree has the name of an alias where what it stands for belongs. */
    private static void refuseAliases(Path file, FileSpot spot) throws IOException {
        try (YAMLParser tokens = TOKENS.createParser(file.toFile())) {
            while (tokens.nextToken() != null) {
                if (tokens.isCurrentAlias()) {
                    throw new UnsupportedFeatureException(
                            spot,
                            "line %d: a YAML alias (%s)"
                                    .formatted(
                                            tokens.currentTokenLocation().getLineNr(),
                                            FileSpot.quote("*" + tokens.getText())),
                            "write it out");
                }
            }
        }
    }

    private record Reader(FileSpot spot, JsonNode root) {
        MergekitConfig read() throws FormatException {
            for (var field : root.properties()) {
                if (!KNOWN.contains(field.getKey())) {
                    throw unsupported(field.getKey());
                }
            }
            tokenizer();
            String word = text(root, "merge_method");
            MergeMethod method = METHODS.get(word);
            if (method == null) {
                throw unsupported("merge_method " + FileSpot.quote(word));
            }
            boolean linear = word.equals("linear");
            if (!root.path("models").isArray() || root.path("models").isEmpty()) {
                throw new MalformedFileException(spot, "has no list of models");
            }
            String base = root.hasNonNull("base_model") ? text(root, "base_model") : "";
            List<String> models = new ArrayList<>();
            List<JsonNode> settings = new ArrayList<>();
            for (JsonNode entry : root.path("models")) {
                String model = model(entry);
                JsonNode own = mapping(entry.path("parameters"), "parameters of a model");
                if (!linear && model.equals(base)) {
                    if (!own.isEmpty()) {
                        throw unsupported("parameters of the base model");
                    }
                    continue;
                }
                models.add(model);
                settings.add(own);
            }
            if (models.isEmpty() || base.isEmpty() && !linear) {
                throw new MalformedFileException(
                        spot, base.isEmpty() ? "has no base_model" : "has no model but the base");
            }
            return new MergekitConfig(
                    base.isEmpty() ? models.getFirst() : base,
                    models,
                    options(word, method, settings),
                    dtype());
        }

        private MergeOptions options(String word, MergeMethod method, List<JsonNode> settings)
                throws FormatException {
            JsonNode global = mapping(root.path("parameters"), "parameters");
            List<MergeOptions.Rule> rules = new ArrayList<>();
            for (int m = 0; m < settings.size(); m++) {
                for (var field : settings.get(m).properties()) {
                    if (!NUMBERS.contains(field.getKey())) {
                        throw unsupported("parameter " + field.getKey() + " of a model");
                    }
                    rules(field.getKey(), m, field.getValue(), rules);
                }
            }
            boolean linear = word.equals("linear");
            boolean normalise = linear || word.equals("ties");
            for (var field : global.properties()) {
                JsonNode value = field.getValue();
                switch (field.getKey()) {
                    case "weight", "density", "gamma" -> rules(field.getKey(), -1, value, rules);
                    case "lambda" -> rules("lambda", -1, value, rules);
                    case "normalize" -> normalise = truth("normalize", value);
                    case "int8_mask" -> truth("int8_mask", value); // of their memory alone
                    case "rescale" -> {
                        boolean dare = word.startsWith("dare");
                        if (truth("rescale", value) != dare) {
                            throw unsupported("rescale: " + value.asText() + " with " + word);
                        }
                    }
                    default -> throw unsupported("parameter " + field.getKey());
                }
            }
            if (linear && !normalise) {
                throw unsupported("normalize: false with linear");
            }
            for (int m = 0; m < settings.size(); m++) {
                int model = m;
                boolean always =
                        rules.stream()
                                .anyMatch(r ->
                                        r.parameter().equals("weight")
                                                && r.contained().isEmpty()
                                                && (r.model() == model || r.model() < 0));
                if (!always) {
                    throw new MalformedFileException(
                            spot,
                            "models[%d]: has no weight that holds for every tensor".formatted(m));
                }
            }
            return new MergeOptions(
                    method,
                    1,
                    Collections.nCopies(settings.size(), 1.0),
                    Map.of(),
                    1,
                    0.01,
                    false,
                    normalise,
                    MergeOptions.DEFAULT_ALPHA,
                    17,
                    rules);
        }

        private void rules(String key, int model, JsonNode value, List<MergeOptions.Rule> into)
                throws FormatException {
            if (!value.isArray() && !value.isObject()) {
                into.add(new MergeOptions.Rule(key, model, "", number(key, value)));
                return;
            }
            for (JsonNode entry : value.isObject() ? List.of(value) : value) {
                JsonNode inner = entry.path("value");
                if (!entry.isObject() || inner.isArray()) {
                    throw unsupported("gradient of %s over layers".formatted(key));
                }
                for (var field : entry.properties()) {
                    if (!Set.of("value", "filter").contains(field.getKey())) {
                        throw unsupported("%s of %s".formatted(field.getKey(), key));
                    }
                }
                JsonNode filter = entry.path("filter");
                boolean none = filter.isMissingNode() || filter.isNull();
                if (!none && !filter.isTextual()) {
                    throw new MalformedFileException(
                            spot, "filter of %s is no text".formatted(key));
                }
                boolean all = none || filter.textValue().equals("*");
                String contained = all ? "" : filter.textValue();
                into.add(new MergeOptions.Rule(key, model, contained, number(key, inner)));
            }
        }

        private double number(String key, JsonNode value) throws MalformedFileException {
            double number = Double.NaN;
            try { // YAML 1.1 takes 1e-3 for text, mergekit does not
                number =
                        value.isTextual()
                                ? Double.parseDouble(value.textValue())
                                : value.isNumber() ? value.doubleValue() : number;
            } catch (NumberFormatException e) {
                // said below
            }
            boolean share = !key.equals("weight") && !key.equals("lambda");
            boolean density = key.equals("density");
            if (!Double.isFinite(number)
                    || share && (number > 1 || number < 0 || density && number == 0)) {
                throw new MalformedFileException(
                        spot,
                        "%s %s is no %s"
                                .formatted(
                                        key,
                                        FileSpot.quote(value.asText()),
                                        share ? "share of the entries" : "number"));
            }
            return number;
        }

        private boolean truth(String key, JsonNode value) throws FormatException {
            if (!value.isBoolean()) {
                throw unsupported(key + " that is not true or false");
            }
            return value.booleanValue();
        }

        private Optional<DType> dtype() throws FormatException {
            String key = root.hasNonNull("out_dtype") ? "out_dtype" : "dtype";
            if (!root.hasNonNull(key)) {
                return Optional.empty();
            }
            return Optional.of(
                    switch (text(root, key)) {
                        case "float32" -> DType.F32;
                        case "float16" -> DType.F16;
                        case "bfloat16" -> DType.BF16;
                        default -> throw unsupported(key + " " + FileSpot.quote(text(root, key)));
                    });
        }

        /** The result has the base's tokenizer files; another is more than copying. */
        private void tokenizer() throws FormatException {
            JsonNode source = root.path("tokenizer_source");
            JsonNode tokenizer = mapping(root.path("tokenizer"), "tokenizer");
            for (var field : tokenizer.properties()) {
                if (!field.getKey().equals("source")) {
                    throw unsupported("tokenizer." + field.getKey());
                }
            }
            for (JsonNode from : List.of(source, tokenizer.path("source"))) {
                if (!from.isMissingNode() && !from.isNull() && !from.asText().equals("base")) {
                    throw unsupported("tokenizer source " + FileSpot.quote(from.asText()));
                }
            }
        }

        private String model(JsonNode entry) throws FormatException {
            for (var field : entry.properties()) {
                if (!Set.of("model", "parameters").contains(field.getKey())) {
                    throw unsupported("models: " + field.getKey());
                }
            }
            String model = text(entry, "model");
            if (model.contains("+")) {
                throw unsupported("adapter in " + FileSpot.quote(model));
            }
            return model;
        }

        /** The node, if it has fields, or is left out or empty. */
        private JsonNode mapping(JsonNode node, String what) throws MalformedFileException {
            if (!node.isMissingNode() && !node.isNull() && !node.isObject()) {
                throw new MalformedFileException(spot, what + ": no mapping of names to values");
            }
            return node;
        }

        private String text(JsonNode node, String key) throws MalformedFileException {
            JsonNode value = node.path(key);
            if (!value.isTextual() || value.textValue().isBlank()) {
                throw new MalformedFileException(spot, "has no text under " + key);
            }
            return value.textValue();
        }

        private UnsupportedFeatureException unsupported(String what) {
            return new UnsupportedFeatureException(
                    spot,
                    what + " is not among what graft merge does",
                    "merge with mergekit and give the result to graft sparsify as --base, or leave"
                            + " it out");
        }
    }
}
