package graft.formats.peft.dialect;

import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * diffusers' {@code pytorch_lora_weights.safetensors}: {@code COMPONENT.MODULE.lora_A.weight}, and
 * its older spellings {@code .lora.down}, {@code .lora_linear_layer.down} and {@code
 * .processor.to_q_lora.down}.
 */
public final class DiffusersNames implements Dialect {
    private static final List<String> COMPONENTS =
            List.of(
                    "unet.",
                    "transformer.",
                    "transformer_2.",
                    "text_encoder.",
                    "text_encoder_2.",
                    "text_encoder_3.",
                    "prior.");

    private static final Map<String, String> ENDINGS =
            Map.of(
                    ".lora_A.weight", "lora_A",
                    ".lora_B.weight", "lora_B",
                    ".lora_A.default.weight", "lora_A",
                    ".lora_B.default.weight", "lora_B",
                    ".lora.down.weight", "lora_A",
                    ".lora.up.weight", "lora_B",
                    ".lora_linear_layer.down.weight", "lora_A",
                    ".lora_linear_layer.up.weight", "lora_B",
                    "_lora.down.weight", "lora_A",
                    "_lora.up.weight", "lora_B");

    /** Attention processors called the projections of a text encoder by the U-Net's names. */
    private static final Map<String, String> TEXT_ENCODER =
            Map.of("to_q", "q_proj", "to_k", "k_proj", "to_v", "v_proj", "to_out", "out_proj");

    @Override
    public String word() {
        return "diffusers";
    }

    @Override
    public boolean claims(String tensor) {
        return COMPONENTS.stream().anyMatch(tensor::startsWith);
    }

    @Override
    public Optional<TensorRole> parse(String tensor) {
        if (!claims(tensor)) {
            return Optional.empty();
        }
        for (var ending : ENDINGS.entrySet()) {
            if (tensor.endsWith(ending.getKey())) {
                String module = tensor.substring(0, tensor.length() - ending.getKey().length());
                if (module.indexOf('.') < 0 || module.endsWith(".")) {
                    return Optional.empty(); // a component without a module
                }
                if (ending.getKey().startsWith("_")) {
                    module = processor(module);
                }
                return Optional.of(new TensorRole(module, ending.getValue()));
            }
        }
        return Optional.empty();
    }

    /** {@code …attn1.processor.to_out} is the layer {@code …attn1.to_out.0}. */
    private static String processor(String path) {
        String module = path.replace(".processor.", ".");
        int dot = module.lastIndexOf('.');
        String owner = module.substring(0, dot + 1);
        String layer = module.substring(dot + 1);
        if (module.startsWith("text_encoder")) {
            return owner + TEXT_ENCODER.getOrDefault(layer, layer);
        }
        return layer.equals("to_out") ? module + ".0" : module;
    }

    @Override
    public ModulePath locate(String module) {
        int dot = module.indexOf('.');
        return new ModulePath(module.substring(0, dot), module.substring(dot + 1), false);
    }
}
