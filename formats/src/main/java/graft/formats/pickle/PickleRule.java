package graft.formats.pickle;

import graft.formats.FormatRule;

import java.util.Locale;

/** What can be wrong with a torch checkpoint; {@link #code} is {@code pickle/} and the name. */
public enum PickleRule implements FormatRule {
    /** Neither a ZIP archive nor a torch stream, or the archive contradicts itself. */
    BAD_ARCHIVE,
    /** An archive entry is compressed; its bytes cannot be mapped. */
    COMPRESSED_ENTRY,
    /** Two archive entries have one name. */
    DUPLICATE_ENTRY,
    /** An archive entry is named like a path out of the archive. */
    UNSAFE_PATH,
    /** The checksum of the pickle does not fit. */
    BAD_CRC,
    /** A compiled TorchScript program, not a checkpoint. */
    TORCHSCRIPT,
    /** The tar format of torch before 0.1.10. */
    LEGACY_TAR,
    /** A git-lfs pointer stands where the file should be. */
    LFS_POINTER,
    /** Another format under this name, such as safetensors. */
    WRONG_FORMAT,
    /** The parts of an old-style stream do not fit together. */
    BAD_LEGACY,
    /** An opcode outside the allowed set. */
    FORBIDDEN_OPCODE,
    /** A class or function outside the allowed set. */
    FORBIDDEN_GLOBAL,
    /** BUILD on anything but an OrderedDict. */
    FORBIDDEN_BUILD,
    /** A call that the named function does not take. */
    BAD_REDUCE,
    /** A persistent id that is not a storage. */
    BAD_PERSID,
    /** The pickle machine was led astray: empty stack, unknown memo entry, bad text. */
    BAD_PICKLE,
    /** The pickle ends before STOP. */
    TRUNCATED_PICKLE,
    /** Something follows the end. */
    TRAILING_DATA,
    /** Memo index too large. */
    MEMO_LIMIT,
    /** Nested too deeply, or into itself. */
    DEPTH_LIMIT,
    /** Too many objects, too many paths to them, or too many bytes once unfolded. */
    TOO_LARGE,
    /** Not a mapping from names to tensors. */
    BAD_STRUCTURE,
    /** A name occurs twice. */
    DUPLICATE_KEY,
    /** No data for a storage that a tensor needs. */
    MISSING_STORAGE,
    /** A storage is longer or shorter than declared. */
    STORAGE_SIZE,
    /** The file ends within a storage. */
    TRUNCATED_DATA,
    /** A view reaches outside its storage. */
    OUT_OF_BOUNDS,
    /** A tensor that is not described as one. */
    BAD_TENSOR,
    /** A quantised storage. */
    UNSUPPORTED_STORAGE,
    /** An element type that safetensors does not have. */
    UNSUPPORTED_DTYPE;

    @Override
    public String code() {
        return "pickle/" + name().toLowerCase(Locale.ROOT);
    }
}
