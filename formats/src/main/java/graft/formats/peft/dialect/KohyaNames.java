package graft.formats.peft.dialect;

import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * sd-scripts, and the many tools that follow it: {@code lora_unet_down_blocks_0_….lora_down.weight}
 * with an {@code .alpha} beside. The path's dots are underscores.
 */
public final class KohyaNames implements Dialect {
    /** Prefix, component; the longer ones first. sd-scripts calls a Flux transformer unet too. */
    private static final List<Map.Entry<String, String>> PREFIXES =
            List.of(
                    Map.entry("lora_unet_", "unet"),
                    Map.entry("lora_te1_", "text_encoder"),
                    Map.entry("lora_te2_", "text_encoder_2"),
                    Map.entry("lora_te3_", "text_encoder_3"),
                    Map.entry("lora_te_", "text_encoder"));

    private static final Map<String, String> ROLES =
            Map.of(
                    "lora_down.weight", "lora_A",
                    "lora_up.weight", "lora_B",
                    "alpha", TensorRole.ALPHA);

    @Override
    public String word() {
        return "kohya";
    }

    @Override
    public boolean claims(String tensor) {
        return PREFIXES.stream().anyMatch(prefix -> tensor.startsWith(prefix.getKey()));
    }

    @Override
    public Optional<TensorRole> parse(String tensor) {
        int dot = tensor.indexOf('.');
        if (dot < 0 || !claims(tensor)) {
            return Optional.empty();
        }
        return Optional.ofNullable(ROLES.get(tensor.substring(dot + 1)))
                .map(role -> new TensorRole(tensor.substring(0, dot), role));
    }

    @Override
    public ModulePath locate(String module) {
        for (var prefix : PREFIXES) {
            if (module.startsWith(prefix.getKey())) {
                String path = module.substring(prefix.getKey().length());
                return new ModulePath(prefix.getValue(), path, true);
            }
        }
        throw new IllegalArgumentException(module);
    }

    /**
     * What this dialect calls the module at {@code path} of {@code component}.
     *
     * @param numbered whether the first text encoder has a number too: in models that have several,
     *     and nowhere else, do tools look for it
     */
    public static String module(String component, String path, boolean numbered) {
        String prefix =
                switch (component) {
                    case "unet", "transformer" -> "lora_unet_";
                    case "text_encoder" -> numbered ? "lora_te1_" : "lora_te_";
                    case "text_encoder_2" -> "lora_te2_";
                    case "text_encoder_3" -> "lora_te3_";
                    default ->
                            throw new IllegalArgumentException(
                                    "kohya has no name for component '" + component + "'");
                };
        return prefix + path.replace('.', '_');
    }
}
