package graft.formats.peft;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;

import graft.formats.FileSpot;
import graft.formats.MalformedFileException;

import java.io.IOException;
import java.util.Map;
import java.util.TreeMap;

/**
 * The configuration of each component of a pipeline. peft has one file for the only component;
 * diffusers may keep one per component in the weights' metadata; kohya has none.
 */
final class ConfigByComponent {
    private static final String METADATA = "lora_adapter_metadata";

    private final AdapterConfig fallback;
    private final boolean isFile;
    private final Map<String, AdapterConfig> components;

    private ConfigByComponent(
            AdapterConfig fallback, boolean isFile, Map<String, AdapterConfig> components) {
        this.fallback = fallback;
        this.isFile = isFile;
        this.components = components;
    }

    static ConfigByComponent ofFile(AdapterConfig config) {
        return new ConfigByComponent(config, true, Map.of());
    }

    /**
     * @param metadata of the weights
     * @throws MalformedFileException if the configuration there is none
     */
    static ConfigByComponent ofMetadata(FileSpot spot, Map<String, String> metadata)
            throws IOException {
        Map<String, ObjectNode> documents = new TreeMap<>();
        String text = metadata.get(METADATA);
        if (text != null) {
            for (var field : parse(spot, text).properties()) {
                int dot = field.getKey().indexOf('.');
                String component = dot < 0 ? "" : field.getKey().substring(0, dot);
                documents
                        .computeIfAbsent(component, _ -> new ObjectNode(JsonNodeFactory.instance))
                        .set(field.getKey().substring(dot + 1), field.getValue());
            }
        }
        Map<String, AdapterConfig> configs = new TreeMap<>();
        for (var document : documents.entrySet()) {
            ObjectNode config = document.getValue();
            if (!config.has("peft_type")) {
                config.put("peft_type", "LORA"); // diffusers writes no other
            }
            configs.put(document.getKey(), AdapterConfig.of(spot, config));
        }
        return new ConfigByComponent(AdapterConfig.none(spot), false, configs);
    }

    private static JsonNode parse(FileSpot spot, String text) throws MalformedFileException {
        try {
            JsonNode root = new JsonMapper().readTree(text);
            if (root instanceof ObjectNode) {
                return root;
            }
        } catch (JsonProcessingException e) {
            throw new MalformedFileException(
                    spot,
                    "metadata %s is not valid JSON: %s"
                            .formatted(METADATA, e.getOriginalMessage()));
        }
        throw new MalformedFileException(spot, "metadata %s is not an object".formatted(METADATA));
    }

    /** The configuration of {@code component}; one without any says LoRA and nothing more. */
    AdapterConfig of(String component) {
        return components.getOrDefault(component, fallback);
    }

    /** Whether ranks and scales are the configuration's. */
    boolean isAuthority(String component) {
        return isFile || components.containsKey(component);
    }

    /** The configuration as a whole. */
    AdapterConfig only() {
        return fallback;
    }
}
