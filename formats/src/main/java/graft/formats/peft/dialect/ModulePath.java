package graft.formats.peft.dialect;

/**
 * Where a module lies in the base.
 *
 * @param component part of a pipeline, such as {@code unet} or {@code text_encoder}; empty if the
 *     adapter is for a single model
 * @param path module path within it, such as {@code model.layers.0.self_attn.q_proj}
 * @param isFolded whether the dots of the path were turned into underscores, so that only the
 *     base's own names tell which
 */
public record ModulePath(String component, String path, boolean isFolded) {}
