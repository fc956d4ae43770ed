package graft.formats.checkpoint;

import graft.formats.FormatRule;

import java.util.Locale;

/** What can be wrong with shards and their index; {@link #code} is {@code index/} and the name. */
public enum IndexRule implements FormatRule {
    /** Not a JSON object with a {@code weight_map} from names to names. */
    BAD_INDEX,
    /** A tensor is mapped twice. */
    DUPLICATE_KEY,
    /** A shard is not named like a weights file beside the index. */
    UNSAFE_PATH,
    /** Index and shards disagree about which shard holds a tensor. */
    WEIGHT_MAP_MISMATCH,
    /** Two shards hold a tensor of one name. */
    DUPLICATE_TENSOR,
    /** The index is too long to be one. */
    TOO_LARGE;

    @Override
    public String code() {
        return "index/" + name().toLowerCase(Locale.ROOT);
    }
}
