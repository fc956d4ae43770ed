package graft.formats.archive;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Blocks of floats that lie about their parts, behind checksums that are right. */
class HostileFloatsTest {
    /** A whole segment, and two numbers of another. */
    private static final int COUNT = 130;

    /** Six bits a number: sign and the lower mantissa bits. */
    private static final int REST_BYTES = 98;

    private final BlockDecoder decoder = new BlockDecoder();

    @AfterEach
    void close() {
        decoder.close();
    }

    @Test
    void whatIsRightIsDecoded() throws CorruptBlockException {
        assertThat(decoded(5, 5, 4, 4, REST_BYTES, 12)).hasSize(2 * COUNT).containsOnly(0);
    }

    @ParameterizedTest
    @CsvSource({
        "4,6,4,4,98,12", // a stream longer than its part
        "6,4,4,4,98,12",
        "5,5,5,3,98,12",
        "5,5,4,5,97,12", // the last one runs into the rest
        "5,5,4,400,98,12", // ends past the end
        "5,5,4,-1,98,12",
        "2147483647,5,4,4,98,12",
        "5,5,4,4,97,12", // a rest of another length
        "5,5,4,4,99,12",
        "5,5,4,4,0,12",
        "5,5,4,4,98,11", // code words that do not add up
        "5,5,4,4,98,14", // no size of a code word
        "4,4,4,4,98,12", // the last segment's words left out
    })
    void whatLiesIsRefused(int s0, int s1, int s2, int s3, int rest, int size) {
        assertThatThrownBy(() -> decoded(s0, s1, s2, s3, rest, size))
                .isInstanceOf(CorruptBlockException.class);
    }

    /**
     * Two values under one table; all that follows the header is zeros, 18 bytes of words first.
     */
    private byte[] decoded(int s0, int s1, int s2, int s3, int rest, int size)
            throws CorruptBlockException {
        byte[] block = new byte[1 << 10];
        var header = new BitWriter(block, 0);
        header.put(2, 3); // mantissa bits of a value
        header.put(0, 4); // one table
        header.put(1, 8); // two values: 0 and 1
        header.putGamma(1);
        header.putGamma(1);
        HuffmanCode.write(new byte[] {(byte) size, (byte) size}, 0, 2, header);
        header.put(0, 8); // no classes
        header.put(0, 8); // no zero bits
        for (int bytes : new int[] {s0, s1, s2, s3}) {
            header.put(bytes & 0xffff_ffffL, 32);
        }
        int end = header.end() + 18 + rest;
        byte[] raw = new byte[2 * COUNT];
        decoder.decode(BlockCodec.FLOATS, block, end, ElementType.BF16, null, raw, raw.length);
        return raw;
    }
}
