package graft.convert.archive;

import graft.formats.archive.ElementType;
import graft.formats.archive.Run;

import java.util.ArrayList;
import java.util.List;

/**
 * Puts neighbouring tensors into runs. Small ones share a run, because a block of its own costs a
 * table of its own; a large one begins a new run, because its numbers are distributed in its way.
 */
final class RunBuilder {
    private static final long SMALL_BYTES = 1 << 16;
    private static final long FULL_BYTES = 1 << 19;

    private final List<Run> runs = new ArrayList<>();

    void add(Run next) {
        if (next.bytes() == 0) {
            return;
        }
        if (!runs.isEmpty()) {
            Run last = runs.getLast();
            boolean continues =
                    last.type() == next.type()
                            && last.source() == next.source()
                            && (last.source() == Run.NONE
                                    || last.offset() + last.bytes() == next.offset());
            boolean apart = next.bytes() >= SMALL_BYTES && last.bytes() >= FULL_BYTES;
            if (continues && (!apart || next.type() == ElementType.BYTES)) {
                runs.removeLast();
                next =
                        new Run(
                                last.bytes() + next.bytes(),
                                last.type(),
                                last.source(),
                                last.offset());
            }
        }
        runs.add(next);
    }

    List<Run> runs() {
        return List.copyOf(runs);
    }
}
