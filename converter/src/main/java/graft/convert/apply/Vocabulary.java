package graft.convert.apply;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.BooleanNode;
import com.fasterxml.jackson.databind.node.LongNode;
import com.fasterxml.jackson.databind.node.ObjectNode;

import graft.formats.tensor.TensorInfo;

import org.jspecify.annotations.Nullable;

import java.util.List;
import java.util.Optional;

/**
 * What a configuration says of embedding and head, by their names in popular models: how many
 * tokens there are, and whether the head is the embedding.
 */
final class Vocabulary {
    private static final List<String> EMBEDDINGS =
            List.of(
                    "embed_tokens",
                    "wte",
                    "word_embeddings",
                    "embed_in",
                    "tok_embeddings",
                    "shared");

    private static final List<String> HEADS = List.of("lm_head", "embed_out");

    private Vocabulary() {}

    static boolean isHead(String module) {
        return HEADS.contains(lastPart(module));
    }

    /** The input embedding of a model, if it has one under a known name. */
    static Optional<TensorInfo> embedding(BaseModel base) {
        List<TensorInfo> found =
                base.weights().tensors().stream()
                        .filter(info -> info.name().endsWith(".weight"))
                        .filter(info -> EMBEDDINGS.contains(lastPart(module(info.name()))))
                        .toList();
        return found.size() == 1 ? Optional.of(found.getFirst()) : Optional.empty();
    }

    /**
     * The configuration as the merged tensors need it; null if the base's still fits.
     *
     * @param base its configuration and tensors
     * @param merged all tensors of the merged model
     */
    static @Nullable JsonNode adapted(BaseModel base, List<MergedTensor> merged) {
        if (!(base.config() instanceof ObjectNode config)) {
            return null;
        }
        ObjectNode changed = config.deepCopy();
        for (MergedTensor tensor : merged) {
            String name = tensor.out().name();
            String module = module(name);
            boolean isEmbedding = EMBEDDINGS.contains(lastPart(module));
            if (!isHead(module) && !isEmbedding) {
                continue;
            }
            Optional<TensorInfo> before = base.weights().find(name);
            if (before.isEmpty() && isHead(module)) {
                put(changed, "tie_word_embeddings", BooleanNode.FALSE);
            }
            long rows = tensor.out().shape().extent(0);
            boolean resized = before.isPresent() && before.get().shape().extent(0) != rows;
            if (resized && tensor.out().shape().rank() == 2) {
                put(changed, "vocab_size", LongNode.valueOf(rows));
            }
        }
        return changed.equals(config) ? null : changed;
    }

    /** Changes a field where it is: at the top, or in the part of a multi-modal model for text. */
    private static void put(ObjectNode config, String field, JsonNode value) {
        boolean inText = config.get("text_config") instanceof ObjectNode text && text.has(field);
        if (config.get("text_config") instanceof ObjectNode text && inText) {
            text.set(field, value);
        }
        if (config.has(field) || !inText) {
            config.set(field, value);
        }
    }

    private static String module(String tensor) {
        int dot = tensor.lastIndexOf('.');
        return dot < 0 ? "" : tensor.substring(0, dot);
    }

    private static String lastPart(String module) {
        return module.substring(module.lastIndexOf('.') + 1);
    }
}
