package graft.formats.pickle;

import graft.formats.fuzz.Fuzzing;

import java.lang.foreign.MemorySegment;
import java.util.ArrayList;

/** Any bytes as the pickle inside a checkpoint. */
public final class PickleFuzzer {
    private PickleFuzzer() {}

    public static void fuzzerTestOneInput(byte[] input) {
        Fuzzing.check(() -> {
            Object root = new Unpickler("fuzz", MemorySegment.ofArray(input), 0).next();
            StateDict.of("fuzz", root, new ArrayList<>());
        });
    }
}
