package graft.formats.archive;

import static org.assertj.core.api.Assertions.assertThat;

import com.github.luben.zstd.Zstd;

import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

import java.util.Arrays;
import java.util.Random;

class BlockCodecTest {
    private static final int LEVEL = 3;

    private final BlockEncoder encoder = new BlockEncoder();
    private final BlockDecoder decoder = new BlockDecoder();

    @AfterEach
    void close() {
        encoder.close();
        decoder.close();
    }

    /** Lengths around a segment and a block, contents from constant to noise, NaN and all. */
    @ParameterizedTest
    @EnumSource
    void everyTypeComesBackBitForBit(ElementType type) throws CorruptBlockException {
        var random = new Random(type.ordinal());
        int width = type.bytes();
        for (int count : new int[] {1, 2, 127, 128, 129, 1000, ArchiveLayout.BLOCK_BYTES / width}) {
            byte[] noise = new byte[count * width];
            random.nextBytes(noise);
            byte[] zeros = new byte[count * width];
            byte[] ones = new byte[count * width];
            Arrays.fill(ones, (byte) 0xff); // NaN in every type
            byte[] bell = bell(random, count, type);
            byte[] near = near(random, bell, type, 200);
            byte[] sparse = bell.clone();
            for (int i = 0; i < count; i++) {
                if (random.nextInt(3) > 0) {
                    Arrays.fill(sparse, i * width, (i + 1) * width, (byte) 0);
                }
            }
            byte[][] contents = {noise, zeros, ones, bell, near, sparse};
            for (byte[] raw : contents) {
                roundTrip(type, raw, null);
                for (byte[] reference : contents) {
                    roundTrip(type, raw, reference);
                }
            }
        }
    }

    @Test
    void everyFloat16ComesBackWhateverItsReference() throws CorruptBlockException {
        var random = new Random(16);
        byte[] all = new byte[1 << 17];
        byte[] reference = new byte[1 << 17];
        for (int i = 0; i < 1 << 16; i++) {
            LittleEndian.putI16(all, 2 * i, i);
        }
        for (ElementType type : new ElementType[] {ElementType.F16, ElementType.BF16}) {
            for (int shift : new int[] {1, 0x7fff, 0x8000, 0x8001, 0xffff}) {
                for (int i = 0; i < 1 << 16; i++) {
                    LittleEndian.putI16(reference, 2 * i, i + shift);
                }
                roundTrip(type, all, reference);
            }
            random.nextBytes(reference);
            roundTrip(type, all, reference);
        }
    }

    @Test
    void whatEqualsItsReferenceTakesNothing() throws CorruptBlockException {
        byte[] raw = bell(new Random(1), 5000, ElementType.BF16);
        assertThat(roundTrip(ElementType.BF16, raw, raw.clone())).isEqualTo(BlockCodec.SAME);
        assertThat(encoder.length()).isZero();
    }

    @Test
    void smallChangesCostLessThanTheNumbers() throws CorruptBlockException {
        var random = new Random(2);
        byte[] base = bell(random, 200_000, ElementType.BF16);
        byte[] tuned = near(random, base, ElementType.BF16, 2);
        roundTrip(ElementType.BF16, tuned, null);
        int alone = encoder.length();
        assertThat(roundTrip(ElementType.BF16, tuned, base)).isEqualTo(BlockCodec.DELTA);
        assertThat(encoder.length()).isLessThan(alone / 2);
    }

    /** The content of a float32 export of a half-precision model, and of part of one. */
    @Test
    void halfPrecisionInFloat32CostsNoMoreThanHalfPrecision() throws CorruptBlockException {
        var random = new Random(3);
        int count = 1 << 16;
        byte[] half = new byte[2 * count];
        byte[] wide = new byte[4 * count];
        for (int i = 0; i < count; i++) {
            short bits = Float.floatToFloat16((float) random.nextGaussian() / 50);
            LittleEndian.putI16(half, 2 * i, bits);
            float value = Float.float16ToFloat(bits);
            LittleEndian.putI32(wide, 4 * i, Float.floatToRawIntBits(value));
        }
        roundTrip(ElementType.F16, half, null);
        int narrow = encoder.length();
        assertThat(roundTrip(ElementType.F32, wide, null)).isEqualTo(BlockCodec.FLOATS);
        // numbers below half precision's smallest exponent have one value more in float32
        assertThat(encoder.length()).isLessThan(narrow + narrow / 100);
    }

    /** Masks and scales: few numbers, one of them far more common than the others. */
    @ParameterizedTest
    @CsvSource({"F32,1,0.5", "BF16,1,0.5", "F16,1,0.3137", "BF16,0.3137,-7.77"})
    void fewNumbersCostNoMoreThanZstdMakesOfThem(ElementType type, float often, float seldom)
            throws CorruptBlockException {
        var random = new Random(8);
        byte[] raw = new byte[ArchiveLayout.BLOCK_BYTES];
        for (int i = 0; i < raw.length; i += type.bytes()) {
            float value = random.nextInt(100) < 97 ? often : seldom;
            int bits = Float.floatToRawIntBits(value);
            switch (type) {
                case F32 -> LittleEndian.putI32(raw, i, bits);
                case F16 -> LittleEndian.putI16(raw, i, Float.floatToFloat16(value));
                default -> LittleEndian.putI16(raw, i, bits >>> 16);
            }
        }
        roundTrip(type, raw, null);
        assertThat(encoder.length()).isLessThan(Zstd.compress(raw, 3).length * 11 / 10);
    }

    @Test
    void codedBlocksDoNotDependOnWhatWasCodedBefore() throws CorruptBlockException {
        byte[] raw = bell(new Random(4), 30_000, ElementType.F32);
        roundTrip(ElementType.F32, raw, null);
        byte[] first = Arrays.copyOf(encoder.bytes(), encoder.length());
        roundTrip(ElementType.F8_E4M3, bell(new Random(5), 99_999, ElementType.F8_E4M3), null);
        roundTrip(ElementType.F32, raw, null);
        assertThat(Arrays.copyOf(encoder.bytes(), encoder.length())).isEqualTo(first);
    }

    /** A checksum comes before decoding, so this is the second line: an error, nothing else. */
    @ParameterizedTest
    @EnumSource(names = {"F16", "BF16", "F32", "F8_E5M2", "WORD64", "BYTES"})
    void damagedBlocksGiveNoOtherError(ElementType type) {
        var random = new Random(100 + type.ordinal());
        byte[] base = bell(random, 3000, type);
        byte[] raw = near(random, base, type, 30);
        byte[] into = new byte[raw.length];
        for (byte[] reference : new byte[][] {null, base}) {
            BlockCodec codec = encoder.encode(raw, raw.length, type, reference, LEVEL);
            int length = encoder.length();
            for (int i = 0; i < 3000; i++) {
                byte[] stored = Arrays.copyOf(encoder.bytes(), length + BitWriter.SLACK_BYTES);
                int flips = 1 + random.nextInt(4);
                for (int f = 0; f < flips; f++) {
                    int reach = i % 2 == 0 ? Math.min(length, 60) : length;
                    stored[random.nextInt(reach)] ^= (byte) (1 << random.nextInt(8));
                }
                int cut = i % 5 == 0 ? random.nextInt(length) : length;
                try {
                    decoder.decode(codec, stored, cut, type, reference, into, raw.length);
                } catch (CorruptBlockException e) {
                    assertThat(e.problem()).isNotEmpty();
                }
            }
        }
    }

    private BlockCodec roundTrip(ElementType type, byte[] raw, byte @Nullable [] reference)
            throws CorruptBlockException {
        BlockCodec codec = encoder.encode(raw, raw.length, type, reference, LEVEL);
        assertThat(encoder.length()).isLessThanOrEqualTo(raw.length);
        int length = encoder.length();
        byte[] stored = Arrays.copyOf(encoder.bytes(), length + BitWriter.SLACK_BYTES);
        byte[] back = new byte[raw.length];
        try {
            decoder.decode(codec, stored, length, type, reference, back, raw.length);
        } catch (CorruptBlockException e) {
            throw new AssertionError("%s of %d %s".formatted(codec, raw.length, type), e);
        }
        assertThat(Arrays.mismatch(back, raw))
                .as("%s of %d bytes of %s", codec, raw.length, type)
                .isEqualTo(-1);
        return codec;
    }

    /** Bell-shaped numbers, as weights are. */
    private static byte[] bell(Random random, int count, ElementType type) {
        byte[] bytes = new byte[count * type.bytes()];
        for (int i = 0; i < count; i++) {
            int bits = Float.floatToRawIntBits((float) random.nextGaussian() / 30);
            switch (type) {
                case F32, WORD32 -> LittleEndian.putI32(bytes, 4 * i, bits);
                case BF16, WORD16 -> LittleEndian.putI16(bytes, 2 * i, bits >>> 16);
                case F16 ->
                        LittleEndian.putI16(
                                bytes, 2 * i, Float.floatToFloat16(Float.intBitsToFloat(bits)));
                case WORD64 -> LittleEndian.putI64(bytes, 8 * i, bits);
                case BYTES, F8_E4M3, F8_E5M2 -> bytes[i] = (byte) (bits >>> 24);
            }
        }
        return bytes;
    }

    /** The same numbers, each moved by up to {@code steps} in its last place. */
    private static byte[] near(Random random, byte[] from, ElementType type, int steps) {
        byte[] bytes = from.clone();
        int width = type.bytes();
        for (int i = 0; i + width <= bytes.length; i += width) {
            int low = bytes[i] & 0xff | (width > 1 ? (bytes[i + 1] & 0xff) << 8 : 0);
            low += random.nextInt(2 * steps + 1) - steps;
            bytes[i] = (byte) low;
            if (width > 1) {
                bytes[i + 1] = (byte) (low >> 8);
            }
        }
        return bytes;
    }
}
