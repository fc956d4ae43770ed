package graft.convert.export;

import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * How a graph's adapter inputs are called. Three tools have three ways, and none reads another's
 * (Olive#2277).
 */
public enum SlotNames {
    /** {@code model.layers.0.self_attn.q_proj.lora_A.weight}: PEFT, Olive convert-adapters. */
    peft {
        @Override
        String name(String module, String path, Factor factor) {
            return module + "." + factor.word + ".weight";
        }
    },
    /** {@code model.layers.0.attn.q_proj.lora_A.MatMul.weight}: onnxruntime-genai's builder. */
    genai {
        @Override
        String name(String module, String path, Factor factor) {
            String renamed = SELF_ATTENTION.matcher(module).replaceAll("$1attn$2");
            return renamed + "." + factor.word + ".MatMul.weight";
        }
    },
    /** As {@link #peft}, with the path of the graph's own node: Olive extract-adapters. */
    olive {
        @Override
        String name(String module, String path, Factor factor) {
            return (path.isEmpty() ? module : path) + "." + factor.word + ".weight";
        }
    };

    /** Which of the two. */
    enum Factor {
        /** in × rank. */
        A("lora_A"),
        /** rank × out, the scale inside. */
        B("lora_B");

        private final String word;

        Factor(String word) {
            this.word = word;
        }
    }

    /**
     * An input's name, taken apart.
     *
     * @param module path of the module in whatever spelling the graph has
     * @param gathers whether it is an embedding, whose factors PEFT gives a name of their own
     */
    record Parsed(String module, Factor factor, boolean gathers) {}

    private static final Pattern SELF_ATTENTION = Pattern.compile("(^|\\.)self_attn(\\.|$)");
    private static final Pattern GENAI_LAYER =
            Pattern.compile("((?:^|\\.)model\\.layers\\.\\d+\\.)attn(\\.[qkvo]_proj)$");
    private static final Pattern NAME =
            Pattern.compile(
                    "(.+)\\.lora_(embedding_)?([AB])(?:\\.default)?(?:\\.MatMul)?(?:\\.weight)?");
    private static final String WRAPPER = "base_model.model.";

    abstract String name(String module, String path, Factor factor);

    /** Name of an embedding's factor, as PEFT has it; the other tools know none. */
    static String ofEmbedding(String module, Factor factor) {
        return module + ".lora_embedding_" + factor;
    }

    /** Empty for what is no adapter input. */
    static Optional<Parsed> parse(String name) {
        Matcher matcher = NAME.matcher(name);
        return matcher.matches()
                ? Optional.of(
                        new Parsed(
                                matcher.group(1),
                                matcher.group(3).equals("A") ? Factor.A : Factor.B,
                                matcher.group(2) != null))
                : Optional.empty();
    }

    /** A slot's module as PEFT calls it: genai says {@code attn} for {@code self_attn}. */
    static String peftModule(String module) {
        return GENAI_LAYER.matcher(plain(module)).replaceAll("$1self_attn$2");
    }

    /** A module's path without wrappers, and with one word for attention. */
    static String key(String module) {
        return SELF_ATTENTION.matcher(plain(module)).replaceAll("$1attn$2");
    }

    private static String plain(String module) {
        return module.startsWith(WRAPPER) ? module.substring(WRAPPER.length()) : module;
    }
}
