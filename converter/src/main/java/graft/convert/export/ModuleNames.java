package graft.convert.export;

import graft.formats.tensor.TensorInfo;
import graft.formats.tensor.TensorSource;

import java.util.List;
import java.util.Optional;
import java.util.regex.Pattern;

/** The weight of a module in a checkpoint that may call it otherwise. */
final class ModuleNames {
    /**
     * transformers 5 renamed ViT's modules and went on writing the old names into files
     * (conversion_mapping.py); adapters and graphs have the new ones.
     */
    private static final List<Rename> RENAMES =
            List.of(
                    rename(
                            "layers\\.(\\d+)\\.attention\\.(q)_proj",
                            "encoder.layer.$1.attention.attention.query"),
                    rename(
                            "layers\\.(\\d+)\\.attention\\.(k)_proj",
                            "encoder.layer.$1.attention.attention.key"),
                    rename(
                            "layers\\.(\\d+)\\.attention\\.(v)_proj",
                            "encoder.layer.$1.attention.attention.value"),
                    rename(
                            "layers\\.(\\d+)\\.attention\\.(o)_proj",
                            "encoder.layer.$1.attention.output.dense"),
                    rename("layers\\.(\\d+)\\.mlp\\.(fc1)", "encoder.layer.$1.intermediate.dense"),
                    rename("layers\\.(\\d+)\\.mlp\\.(fc2)", "encoder.layer.$1.output.dense"));

    /** What a head is called whose weight is the input embedding's, and is in no file. */
    private static final List<String> TIED_HEADS =
            List.of("lm_head", "proj_out", "vocab_projector", "predictions.decoder");

    private static final List<String> EMBEDDINGS =
            List.of("wte", "embed_tokens", "word_embeddings", "shared");

    private record Rename(Pattern from, String to) {}

    private ModuleNames() {}

    private static Rename rename(String from, String to) {
        return new Rename(Pattern.compile("(?<=^|\\.)" + from + "$"), to);
    }

    /** By its exact name, or by the only name that ends in it, or that it ends in. */
    static Optional<TensorInfo> weight(TensorSource base, String module) {
        Optional<TensorInfo> found = named(base, module + ".weight");
        for (Rename rename : RENAMES) {
            var matcher = rename.from().matcher(module);
            if (found.isEmpty() && matcher.find()) {
                found = named(base, matcher.replaceFirst(rename.to()) + ".weight");
            }
        }
        return found;
    }

    private static Optional<TensorInfo> named(TensorSource base, String name) {
        if (base.find(name).isPresent()) {
            return base.find(name);
        }
        List<TensorInfo> similar =
                base.tensors().stream().filter(info -> GraphNames.same(info.name(), name)).toList();
        return similar.size() == 1 ? Optional.of(similar.getFirst()) : Optional.empty();
    }

    /** The embedding that a head without a weight of its own is tied to. */
    static Optional<TensorInfo> tied(TensorSource base, String module) {
        if (TIED_HEADS.stream().noneMatch(head -> GraphNames.same(module, head))) {
            return Optional.empty();
        }
        List<TensorInfo> tables =
                base.tensors().stream()
                        .filter(info ->
                                EMBEDDINGS.stream()
                                        .anyMatch(e -> GraphNames.same(info.name(), e + ".weight")))
                        .toList();
        return tables.size() == 1 ? Optional.of(tables.getFirst()) : Optional.empty();
    }
}
