package graft.formats.archive;

import java.util.Arrays;

/** Where the blocks of a file lie, in the file and in the archive. */
final class BlockIndex {
    private final long[] offsets;
    private final long[] positions;
    private final int[] runs;
    private final long[] runOffsets;

    BlockIndex(ArchiveFile file) {
        int blocks = file.blocks().size();
        offsets = new long[blocks + 1];
        positions = new long[blocks + 1];
        runs = new int[blocks];
        runOffsets = new long[file.runs().size()];
        positions[0] = file.at();
        int block = 0;
        for (int run = 0; run < runOffsets.length; run++) {
            runOffsets[run] = offsets[block];
            long end = offsets[block] + file.runs().get(run).bytes();
            for (int i = file.runs().get(run).blocks(); i > 0; i--, block++) {
                runs[block] = run;
                positions[block + 1] = positions[block] + file.blocks().stored(block);
                offsets[block + 1] = Math.min(offsets[block] + ArchiveLayout.BLOCK_BYTES, end);
            }
        }
    }

    /** First byte of a block in the file. */
    long offset(int block) {
        return offsets[block];
    }

    /** Bytes of a block in the file. */
    int length(int block) {
        return (int) (offsets[block + 1] - offsets[block]);
    }

    /** First byte of a block in the archive. */
    long position(int block) {
        return positions[block];
    }

    int run(int block) {
        return runs[block];
    }

    /** First byte of a block, counted from the start of its run. */
    long offsetInRun(int block) {
        return offsets[block] - runOffsets[runs[block]];
    }

    /** The block that holds a byte of the file. */
    int find(long offset) {
        int at = Arrays.binarySearch(offsets, offset);
        return at >= 0 ? at : -at - 2;
    }
}
