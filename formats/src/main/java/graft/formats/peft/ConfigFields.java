package graft.formats.peft;

import com.fasterxml.jackson.databind.JsonNode;

import graft.formats.FileSpot;
import graft.formats.UnsupportedFeatureException;

import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * Which fields of a configuration change what the adapter does, and which of those Graft honours. A
 * field that is not known here is refused unless it is unset: peft itself ignores it and computes
 * something else than the version that wrote it.
 */
final class ConfigFields {
    /** Of every type: read, or without influence once the tensors are there. */
    private static final Set<String> COMMON =
            Set.of(
                    "peft_type",
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
                    "modules_to_save",
                    "runtime_config");

    static final Set<String> LORA =
            Set.of(
                    "r",
                    "lora_alpha",
                    "use_rslora",
                    "use_dora",
                    "rank_pattern",
                    "alpha_pattern",
                    "fan_in_fan_out",
                    "bias",
                    "lora_bias",
                    "target_parameters",
                    "trainable_token_indices",
                    "init_lora_weights",
                    "lora_dropout",
                    "loftq_config",
                    "eva_config",
                    "corda_config",
                    "lora_ga_config",
                    "velora_config",
                    "ensure_weight_tying",
                    "megatron_core",
                    "qalora_group_size");

    /** What AdaLoRA adds to LoRA's: its schedule, of training alone but for {@code init_r}. */
    static final Set<String> ADALORA =
            union(
                    LORA,
                    Set.of(
                            "init_r",
                            "target_r",
                            "tinit",
                            "tfinal",
                            "deltaT",
                            "beta1",
                            "beta2",
                            "orth_reg_weight",
                            "total_step"));

    /** LoHa and LoKr. */
    static final Set<String> LYCORIS =
            Set.of(
                    "r",
                    "alpha",
                    "rank_pattern",
                    "alpha_pattern",
                    "rank_dropout",
                    "rank_dropout_scale",
                    "module_dropout",
                    "use_effective_conv2d",
                    "decompose_both",
                    "decompose_factor",
                    "init_weights");

    /** Refused unless unset, with what to do. */
    private static final Map<String, String> REFUSED =
            Map.of(
                    "layer_replication",
                    "it changes the number of layers; merge it into its base with PEFT",
                    "use_qalora",
                    "it cannot be merged into a plain base; train without it",
                    "alora_invocation_tokens",
                    "it acts after an invocation sequence only and has no single ΔW",
                    "arrow_config",
                    "it routes between adapters and has no single ΔW",
                    "kasa_config",
                    "it changes the base as well; train without it",
                    "use_bdlora",
                    "its blocks are laid out for a sharded runtime; save it as plain LoRA",
                    "monteclora_config",
                    "it samples its weights and has no single ΔW",
                    "megatron_config",
                    "convert the adapter to plain PEFT first");

    private static final List<String> PLAIN_INITS =
            List.of("true", "false", "gaussian", "eva", "orthogonal", "mica", "loftq");

    private ConfigFields() {}

    private static Set<String> union(Set<String> one, Set<String> other) {
        Set<String> all = new HashSet<>(one);
        all.addAll(other);
        return Set.copyOf(all);
    }

    static PeftType check(FileSpot spot, JsonNode document) throws UnsupportedFeatureException {
        PeftType type = PeftType.of(spot, document.path("peft_type").asText("(none)"));
        for (var field : document.properties()) {
            check(spot, type, field.getKey(), field.getValue());
        }
        if (type == PeftType.ADALORA && document.path("use_dora").asBoolean(false)) {
            throw new UnsupportedFeatureException(
                    spot, "use_dora with ADALORA is not handled", "train with either of them");
        }
        if (type == PeftType.VERA && !document.path("save_projection").asBoolean(true)) {
            throw new UnsupportedFeatureException(
                    spot,
                    "save_projection is false: the projections are made by torch's random generator",
                    "save the adapter again with save_projection=True");
        }
        return type;
    }

    private static void check(FileSpot spot, PeftType type, String field, JsonNode value)
            throws UnsupportedFeatureException {
        if (COMMON.contains(field) || type.fields().contains(field) || isUnset(value)) {
            return;
        }
        String help = REFUSED.get(field);
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

    /**
     * Refuses an initialisation that changed the base (PiSSA, OLoRA, CorDA, LoRA-GA): B·A is then
     * relative to a base that nobody has published.
     */
    static void checkInit(FileSpot spot, String name) throws UnsupportedFeatureException {
        if (!PLAIN_INITS.contains(name)) {
            throw new UnsupportedFeatureException(
                    spot,
                    "init_lora_weights %s changed the base as well, so that the adapter does not fit the published one"
                            .formatted(FileSpot.quote(name)),
                    "give the adapter it started from (graft apply --initial-adapter DIR), or convert it to plain LoRA:"
                            + " save_pretrained(…, path_initial_model_for_weight_conversion=…)");
        }
    }
}
