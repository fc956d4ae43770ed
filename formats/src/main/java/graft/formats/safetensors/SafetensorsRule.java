package graft.formats.safetensors;

import graft.formats.FormatRule;

import java.util.Locale;

/**
 * What can be wrong with a safetensors file, in the order of checking; {@link #code} is {@code
 * safetensors/} and the name. In brackets: what the reference crate 0.8 calls it.
 */
public enum SafetensorsRule implements FormatRule {
    /** Shorter than the eight bytes of the header's length (HeaderTooSmall). */
    HEADER_TOO_SMALL,
    /** A git-lfs pointer stands where the file should be (HeaderTooLarge). */
    LFS_POINTER,
    /** A header above 100 MB (HeaderTooLarge). */
    HEADER_TOO_LARGE,
    /** The header runs past the end of the file (InvalidHeaderLength). */
    HEADER_LENGTH,
    /** The header is not UTF-8 (InvalidHeader). */
    BAD_UTF8,
    /** The header is not one JSON object (InvalidHeaderDeserialization). */
    BAD_JSON,
    /** A key occurs twice in one object; the crate keeps the last of some. */
    DUPLICATE_KEY,
    /** {@code __metadata__} is not a map from strings to strings. */
    BAD_METADATA,
    /** A tensor given as a JSON array, which the crate accepts. */
    ARRAY_FORM,
    /** A tensor without dtype, shape and two offsets, or with other than plain integers. */
    BAD_TENSOR,
    /** A dtype of no known name. */
    UNKNOWN_DTYPE,
    /** More tensors than any model has; not a rule of the crate. */
    TOO_MANY_TENSORS,
    /** A shape whose size in bits overflows (ValidationOverflow). */
    OVERFLOW,
    /** Elements below eight bits that do not fill whole bytes (MisalignedSlice). */
    MISALIGNED_SUBBYTE,
    /** Offsets that span other than what dtype and shape need (TensorInvalidInfo). */
    SIZE_MISMATCH,
    /** Overlapping tensors, bytes between tensors, or an end before its begin (InvalidOffset). */
    BAD_OFFSET,
    /** The file ends before the tensors do (MetadataIncompleteBuffer). */
    TRUNCATED_DATA,
    /** The file goes on after the last tensor (MetadataIncompleteBuffer). */
    TRAILING_DATA;

    @Override
    public String code() {
        return "safetensors/" + name().toLowerCase(Locale.ROOT);
    }
}
