package graft.formats.peft;

import graft.formats.FileSpot;
import graft.formats.UnsupportedFeatureException;

import java.util.Arrays;
import java.util.Set;
import java.util.stream.Collectors;

/** Kinds of adapters, by peft's names, that Graft understands. */
public enum PeftType {
    LORA,
    ADALORA,
    LOHA,
    LOKR,
    IA3,
    VERA,
    LN_TUNING,
    TRAINABLE_TOKENS;

    /**
     * The type a configuration calls {@code name}.
     *
     * @throws UnsupportedFeatureException naming the type, if it is another one
     */
    static PeftType of(FileSpot spot, String name) throws UnsupportedFeatureException {
        for (PeftType type : values()) {
            if (type.name().equals(name)) {
                return type;
            }
        }
        throw new UnsupportedFeatureException(
                spot,
                "PEFT type " + FileSpot.quote(name) + " is not handled",
                "Graft reads %s; merge other types into their base with PEFT, where it can"
                        .formatted(
                                Arrays.stream(values())
                                        .map(PeftType::name)
                                        .collect(Collectors.joining(", "))));
    }

    /** Fields of the type's own configuration that are read, or that only training needs. */
    Set<String> fields() {
        return switch (this) {
            case LORA -> ConfigFields.LORA;
            case ADALORA -> ConfigFields.ADALORA;
            case LOHA, LOKR -> ConfigFields.LYCORIS;
            case IA3 -> Set.of("feedforward_modules", "fan_in_fan_out", "init_ia3_weights");
            case VERA ->
                    Set.of(
                            "r",
                            "fan_in_fan_out",
                            "bias",
                            "save_projection",
                            "projection_prng_key",
                            "vera_dropout",
                            "d_initial",
                            "init_weights");
            case LN_TUNING -> Set.of();
            case TRAINABLE_TOKENS -> Set.of("token_indices", "init_weights");
        };
    }
}
