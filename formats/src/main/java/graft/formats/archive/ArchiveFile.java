package graft.formats.archive;

import java.util.List;
import java.util.Locale;
import java.util.Optional;

/**
 * A file in an archive.
 *
 * @param path relative, with {@code /}; see {@link ArchivePath}
 * @param bytes of the file itself
 * @param sha256 of the file itself, lower-case hex
 * @param storage form of the member
 * @param at byte of the archive at which the member's data begins
 * @param gapCrc CRC-32C of what lies between the previous member's data and this one's
 * @param runs the file's bytes in order
 * @param blocks of the runs, in order
 */
public record ArchiveFile(
        String path,
        long bytes,
        String sha256,
        Storage storage,
        long at,
        int gapCrc,
        List<Run> runs,
        BlockTable blocks) {
    /** What a member is to a reader that knows only tar. */
    public enum Storage {
        /** The file itself. */
        PLAIN(""),
        /** The file in zstd frames. */
        ZSTD(".zst"),
        /** Coded blocks. */
        CODED(".graft");

        private final String suffix;

        Storage(String suffix) {
            this.suffix = suffix;
        }

        static Optional<Storage> of(String word) {
            for (Storage storage : values()) {
                if (storage.word().equals(word)) {
                    return Optional.of(storage);
                }
            }
            return Optional.empty();
        }

        String word() {
            return name().toLowerCase(Locale.ROOT);
        }

        /** What the member's name has behind the path. */
        public String suffix() {
            return suffix;
        }
    }

    public ArchiveFile {
        runs = List.copyOf(runs);
    }

    /** Its name in the tar. */
    public String member() {
        return path + storage.suffix();
    }

    /** Bytes of the member. */
    public long stored() {
        long sum = 0;
        for (int block = 0; block < blocks.size(); block++) {
            sum += blocks.stored(block);
        }
        return sum;
    }

    static int blocks(List<Run> runs) {
        int blocks = 0;
        for (Run run : runs) {
            blocks = Math.addExact(blocks, run.blocks());
        }
        return blocks;
    }
}
