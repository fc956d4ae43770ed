package graft.formats.safetensors;

import graft.formats.fuzz.Fuzzing;

import java.lang.foreign.MemorySegment;
import java.util.HashSet;
import java.util.Set;

/** Any bytes as a safetensors file. */
public final class SafetensorsFuzzer {
    private SafetensorsFuzzer() {}

    public static void fuzzerTestOneInput(byte[] input) {
        Fuzzing.check(() -> {
            var file = MemorySegment.ofArray(input);
            var header = SafetensorsHeader.read("fuzz", file);
            long end = header.dataStart();
            Set<String> names = new HashSet<>();
            for (var entry : header.tensors()) {
                if (header.dataStart() + entry.begin() != end
                        || entry.info().bytes() != entry.end() - entry.begin()
                        || !names.add(entry.info().name())) {
                    throw new AssertionError("a hole, another size or a second " + entry);
                }
                end = header.dataStart() + entry.end();
            }
            if (end != file.byteSize()) {
                throw new AssertionError("tensors end at %d of %d".formatted(end, input.length));
            }
        });
    }
}
