package graft.formats.archive;

import java.util.BitSet;
import java.util.List;
import java.util.Map;

/**
 * The first member of an archive: what is in it and where. Runs refer to files by number: first the
 * bases, then the archive's own files.
 *
 * @param headCrc CRC-32C of the tar header before the manifest
 * @param tailCrc CRC-32C of what lies between the last file's data and the copy of the manifest
 * @param origins where the files under a top folder came from: {@code repo}, {@code commit}
 * @param bases files that are needed to unpack and are not in the archive
 * @param files in the order of the archive
 */
public record Manifest(
        int headCrc,
        int tailCrc,
        Map<String, Map<String, String>> origins,
        List<Base> bases,
        List<ArchiveFile> files) {
    /** Name of the manifest's member. */
    public static final String MEMBER = "graft-archive.json";

    /** Name of the member at the end that repeats the manifest. */
    public static final String COPY_MEMBER = "graft-archive-copy.json";

    /** Longest chain of references that starts at a block. */
    public static final int MAX_DEPTH = 4;

    /**
     * Most bytes that are restored for one block, through references, each block counted with
     * {@link #BLOCK_REACH_BYTES} more. Chains that fan out at every link would cost without end.
     */
    static final long MAX_REACH_BYTES = 1L << 30;

    /** What restoring a block costs beyond its bytes: filling its tables. */
    static final int BLOCK_REACH_BYTES = 1 << 12;

    /**
     * A file outside the archive.
     *
     * @param name what its model was called when the archive was made
     * @param path within the model
     */
    public record Base(String name, String path, long bytes, String sha256) {}

    public Manifest {
        bases = List.copyOf(bases);
        files = List.copyOf(files);
    }

    /** The number by which runs refer to a file of the archive. */
    public int source(int file) {
        return bases.size() + file;
    }

    /** The files, by number, with blocks that need one of the bases, directly or through others. */
    public BitSet needBase() {
        var need = new BitSet();
        for (int i = 0; i < files.size(); i++) { // a file refers to none after it
            need.set(i, needsBase(files.get(i), need));
        }
        return need;
    }

    private boolean needsBase(ArchiveFile file, BitSet before) {
        int block = 0;
        for (Run run : file.runs()) {
            boolean refers = false;
            for (int end = block + run.blocks(); block < end; block++) {
                refers |= file.blocks().codec(block).needsReference();
            }
            int source = run.source();
            if (refers
                    && source != Run.NONE
                    && (source < bases.size() || before.get(source - bases.size()))) {
                return true;
            }
        }
        return false;
    }
}
