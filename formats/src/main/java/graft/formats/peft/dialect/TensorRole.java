package graft.formats.peft.dialect;

/**
 * What one tensor of an adapter is.
 *
 * @param module layer it belongs to, as the adapter names it; for a whole tensor that tensor's
 *     name; empty for what all layers share
 * @param role peft's word for it, such as {@code lora_A}, {@code lora_B.bias} or {@code ia3_l}, or
 *     one of the words below
 */
public record TensorRole(String module, String role) {
    /** A tensor that replaces the base's. */
    public static final String WHOLE = "whole";

    /** The weight or bias of a layer that is also adapted: replaces the base's before that. */
    public static final String BASE_LAYER = "base_layer";

    /** A normalisation trained by LN_TUNING; replaces the base's. */
    public static final String NORM = "ln_tuning_layers";

    /** Rows that replace the base's, of the tokens that the configuration lists. */
    public static final String ROWS = "trainable_tokens_delta";

    /** Of no use: a copy of the base, or something that training alone needs. */
    public static final String IGNORED = "ignored";

    /** A scalar that, divided by the rank, is the scale. */
    public static final String ALPHA = "alpha";
}
