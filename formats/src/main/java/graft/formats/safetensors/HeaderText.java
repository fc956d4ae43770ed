package graft.formats.safetensors;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.CharBuffer;
import java.nio.charset.StandardCharsets;

/** Finds bytes of a header, for errors: parsers count characters. */
final class HeaderText {
    private HeaderText() {}

    /** The byte at which UTF-16 character {@code chars} of valid UTF-8 begins. */
    static long byteOf(MemorySegment utf8, long chars) {
        long left = chars;
        for (long at = 0; at < utf8.byteSize(); at++) {
            int lead = utf8.get(ValueLayout.JAVA_BYTE, at) & 0xff;
            if (lead >> 6 == 0b10) {
                continue; // inside a character
            }
            if (left <= 0) {
                return at;
            }
            left -= lead >= 0xf0 ? 2 : 1;
        }
        return utf8.byteSize();
    }

    /** The first byte that is not UTF-8; the length if all are. */
    static long firstBadByte(MemorySegment bytes) {
        ByteBuffer in = bytes.asByteBuffer();
        CharBuffer out = CharBuffer.allocate(1 << 13);
        var decoder = StandardCharsets.UTF_8.newDecoder();
        while (decoder.decode(in, out.clear(), true).isOverflow()) {
            // the characters are of no use
        }
        return in.position();
    }
}
