package graft.convert.archive;

import org.jspecify.annotations.Nullable;

import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.zip.CRC32C;

/**
 * Bytes seen so far that later ones may be equal or similar to: tensors of the base, and what the
 * archive already holds. The first occurrence is the one referred to, so chains stay short.
 */
final class References {
    /** Equal bytes are looked for from this size on; smaller ones cost less than looking. */
    static final long LEAST_BYTES = 1 << 16;

    private static final int SAMPLE_BYTES = 1 << 12;

    /**
     * A place in a file.
     *
     * @param source as runs number files
     */
    record Place(int source, long offset) {}

    private record Content(MemorySegment bytes, Place place) {}

    private final Map<String, Place> byKey = new HashMap<>();
    private final Map<Long, List<Content>> byContent = new HashMap<>();

    /** Where bytes equal to these are; if nowhere, these are remembered as being at {@code at}. */
    @Nullable Place equal(MemorySegment bytes, Place at) {
        if (bytes.byteSize() < LEAST_BYTES) {
            return null;
        }
        List<Content> like = byContent.computeIfAbsent(sample(bytes), _ -> new ArrayList<>());
        for (Content content : like) {
            if (content.bytes().mismatch(bytes) < 0) {
                return content.place();
            }
        }
        like.add(new Content(bytes, at));
        return null;
    }

    /** Where the tensor of that key is; if nowhere, it is remembered as being at {@code at}. */
    @Nullable Place similar(String key, Place at) {
        return byKey.putIfAbsent(key, at);
    }

    /** Size and three samples: enough to make comparing whole tensors rare. */
    private static long sample(MemorySegment bytes) {
        var crc = new CRC32C();
        long size = bytes.byteSize();
        for (long at : new long[] {0, size / 2, size - SAMPLE_BYTES}) {
            crc.update(bytes.asSlice(at, SAMPLE_BYTES).asByteBuffer());
        }
        return size << 32 ^ size >>> 32 ^ crc.getValue();
    }
}
