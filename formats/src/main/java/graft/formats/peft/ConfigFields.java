package graft.formats.peft;

import com.fasterxml.jackson.databind.JsonNode;

import graft.formats.FileSpot;
import graft.formats.UnsupportedFeatureException;

import java.util.Map;
import java.util.Set;

/** Which fields of a configuration change ΔW, and which of those Graft knows how to honour. */
final class ConfigFields {
    /** Read by {@link AdapterConfig}, or without any influence on ΔW once the tensors are there. */
    private static final Set<String> UNDERSTOOD =
            Set.of(
                    "peft_type",
                    "r",
                    "lora_alpha",
                    "use_rslora",
                    "rank_pattern",
                    "alpha_pattern",
                    "fan_in_fan_out",
                    "modules_to_save",
                    "bias",
                    "init_lora_weights",
                    "base_model_name_or_path",
                    "revision",
                    "task_type",
                    "peft_version",
                    "auto_mapping",
                    "inference_mode",
                    "target_modules",
                    "exclude_modules",
                    "layers_to_transform",
                    "layers_pattern",
                    "lora_dropout",
                    "loftq_config",
                    "eva_config",
                    "corda_config",
                    "lora_ga_config",
                    "velora_config",
                    "ensure_weight_tying",
                    "megatron_core",
                    "qalora_group_size",
                    "runtime_config");

    /** Refused unless unset, with what to do. */
    private static final Map<String, String> NOT_YET =
            Map.ofEntries(
                    Map.entry("use_dora", "merge the adapter into its base with PEFT first"),
                    Map.entry(
                            "layer_replication", "merge the adapter into its base with PEFT first"),
                    Map.entry(
                            "target_parameters", "merge the adapter into its base with PEFT first"),
                    Map.entry(
                            "trainable_token_indices",
                            "merge the adapter into its base with PEFT first"),
                    Map.entry("lora_bias", "merge the adapter into its base with PEFT first"),
                    Map.entry(
                            "use_qalora",
                            "it cannot be merged into a plain base; train without it"),
                    Map.entry(
                            "alora_invocation_tokens",
                            "it acts on some tokens only and has no single ΔW"),
                    Map.entry("arrow_config", "it routes between adapters and has no single ΔW"),
                    Map.entry("kasa_config", "it changes the base as well; train without it"),
                    Map.entry("use_bdlora", "merge the adapter into its base with PEFT first"),
                    Map.entry("monteclora_config", "it samples its weights and has no single ΔW"),
                    Map.entry("megatron_config", "convert the adapter to plain PEFT first"));

    private static final Set<String> PLAIN_INITS =
            Set.of("true", "false", "gaussian", "eva", "orthogonal", "mica", "loftq");

    private ConfigFields() {}

    static void check(FileSpot spot, JsonNode document) throws UnsupportedFeatureException {
        String type = document.path("peft_type").asText("(none)");
        if (!type.equals("LORA")) {
            throw new UnsupportedFeatureException(
                    spot,
                    "PEFT type " + FileSpot.quote(type) + " is not handled",
                    "Graft reads LORA; merge other types into their base with PEFT first");
        }
        for (var field : document.properties()) {
            check(spot, field.getKey(), field.getValue());
        }
        checkBias(spot, document.path("bias").asText("none"));
        checkInit(spot, document.path("init_lora_weights"));
    }

    private static void check(FileSpot spot, String field, JsonNode value)
            throws UnsupportedFeatureException {
        if (UNDERSTOOD.contains(field) || isUnset(value)) {
            return;
        }
        String help = NOT_YET.get(field);
        throw new UnsupportedFeatureException(
                spot,
                help == null
                        ? "field %s is not understood".formatted(FileSpot.quote(field))
                        : "%s is not handled".formatted(field),
                help == null
                        ? "it may change the weights; use a Graft that knows it, or remove it"
                                + " if it only concerns training"
                        : help);
    }

    private static boolean isUnset(JsonNode value) {
        return value.isNull()
                || (value.isBoolean() && !value.asBoolean())
                || (value.isContainerNode() && value.isEmpty());
    }

    private static void checkBias(FileSpot spot, String bias) throws UnsupportedFeatureException {
        if (!bias.equals("none")) {
            throw new UnsupportedFeatureException(
                    spot,
                    "bias %s is not handled".formatted(FileSpot.quote(bias)),
                    "merge the adapter into its base with PEFT first");
        }
    }

    private static void checkInit(FileSpot spot, JsonNode init) throws UnsupportedFeatureException {
        String name = init.isMissingNode() || init.isNull() ? "true" : init.asText();
        if (!PLAIN_INITS.contains(name)) {
            throw new UnsupportedFeatureException(
                    spot,
                    "init_lora_weights %s changed the base as well, so that the adapter does not fit the published one"
                            .formatted(FileSpot.quote(name)),
                    "convert it to plain LoRA: save_pretrained(…, path_initial_model_for_weight_conversion=…)");
        }
    }
}
