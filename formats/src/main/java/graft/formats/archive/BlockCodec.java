package graft.formats.archive;

import java.util.Optional;

/** How the bytes of one block are stored. The order is that of the numbers in a manifest. */
public enum BlockCodec {
    /** As they are. */
    RAW,
    /** One zstd frame. */
    ZSTD,
    /** One zstd frame of byte planes: all lowest bytes of the elements, then the next ones. */
    PLANES,
    /** {@link PlainFloats}. */
    FLOATS,
    /** {@link DeltaFloats}; needs the reference. */
    DELTA,
    /** Nothing is stored: the bytes are the reference's. */
    SAME;

    private static final BlockCodec[] ALL = values();

    static Optional<BlockCodec> of(int number) {
        return number < 0 || number >= ALL.length ? Optional.empty() : Optional.of(ALL[number]);
    }

    boolean needsReference() {
        return this == DELTA || this == SAME;
    }
}
