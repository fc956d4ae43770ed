package graft.formats.pickle;

import graft.formats.fuzz.Fuzzing;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * Any bytes as a file of {@code torch.save}: the archive, the old stream, and views of storages.
 */
public final class TorchFileFuzzer {
    private static final int MOST_BYTES = 1 << 20; // gathering what may unfold is not the point

    private TorchFileFuzzer() {}

    public static void fuzzerTestOneInput(byte[] input) {
        Fuzzing.check(() -> {
            if (input.length == 0) {
                return; // cannot be mapped; open() says so
            }
            var arena = Arena.ofShared();
            try (var reader = PickleReader.read("fuzz", arena, MemorySegment.ofArray(input))) {
                for (var info : reader.tensors()) {
                    if (info.bytes() <= MOST_BYTES
                            && reader.bytes(info.name()).byteSize() != info.bytes()) {
                        throw new AssertionError("another size than " + info);
                    }
                }
            } finally {
                if (arena.scope().isAlive()) {
                    arena.close();
                }
            }
        });
    }
}
