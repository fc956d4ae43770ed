package graft.formats.safetensors;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/** Hand-made files. */
final class SafetensorsBytes {
    private SafetensorsBytes() {}

    static byte[] of(byte[] header, byte[] data) {
        return ByteBuffer.allocate(8 + header.length + data.length)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putLong(header.length)
                .put(header)
                .put(data)
                .array();
    }
}
