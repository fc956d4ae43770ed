package graft.formats.archive;

import com.github.luben.zstd.Zstd;
import com.github.luben.zstd.ZstdCompressCtx;

import org.jspecify.annotations.Nullable;

import java.util.Arrays;

/**
 * Codes blocks, each by what makes it smallest. Same bytes in, same bytes out, whatever was coded
 * before. Holds buffers of some {@code 8 ·} {@link ArchiveLayout#BLOCK_BYTES}; one instance per
 * thread.
 */
public final class BlockEncoder implements AutoCloseable {
    /** Coding that saves less is not worth decoding. */
    private static final double WORTH = 0.995;

    /** A distance this cheap needs no comparison with coding the floats alone. */
    private static final double SURELY_CHEAPER = 0.55;

    /** More zeros than this may be runs, which only a dictionary coder shortens. */
    private static final double MANY_ZEROS = 0.1;

    /** A value this common should cost less than the whole bit that its code word has. */
    private static final double COMMON = 0.5;

    /** So few bits an element are a handful of different numbers, and may repeat as a whole. */
    private static final int FEW_BITS = 3;

    /** On planes of numbers higher levels are slower and hardly smaller: only entropy counts. */
    private static final int PLANES_LEVEL = 1;

    /** What is estimated to grow is not coded, and no estimate is off by half. */
    private static final int LARGEST = ArchiveLayout.BLOCK_BYTES * 3 / 2 + (1 << 16);

    private final PlainFloats plain = new PlainFloats();
    private final byte[] out = new byte[LARGEST + BitWriter.SLACK_BYTES];

    /** Made when they are needed first, as most are not in most runs. */
    private @Nullable DeltaFloats delta;

    private @Nullable ZstdCompressCtx zstd;
    private byte[] planes = {};
    private byte[] other = {};
    private int length;

    /**
     * Begins to load the library of zstd on a thread of its own. That takes longer than to look at
     * what is to be packed or unpacked; what goes wrong is told to who needs it.
     */
    public static void loadAhead() {
        Runnable loading =
                () -> {
                    try {
                        Zstd.minCompressionLevel();
                    } catch (LinkageError e) {
                        // thrown again by every use
                    }
                };
        Thread.ofPlatform().daemon().name("graft-zstd").start(loading);
    }

    private DeltaFloats delta() {
        if (delta == null) {
            delta = new DeltaFloats(ArchiveLayout.BLOCK_BYTES, new int[0]);
        }
        return delta;
    }

    private ZstdCompressCtx zstd(int level) {
        if (zstd == null) {
            zstd = new ZstdCompressCtx();
        }
        return zstd.setLevel(level);
    }

    /** What {@link #encode} wrote, from 0 to {@link #length}; good until the next call. */
    public byte[] bytes() {
        return out;
    }

    public int length() {
        return length;
    }

    /**
     * Codes a block.
     *
     * @param raw its bytes, whole elements
     * @param length how many
     * @param reference as many bytes of the same type, or null
     * @param level zstd's, for bytes that are no numbers, or few different ones
     */
    public BlockCodec encode(
            byte[] raw, int length, ElementType type, byte @Nullable [] reference, int level) {
        if (reference != null && Arrays.equals(raw, 0, length, reference, 0, length)) {
            this.length = 0;
            return BlockCodec.SAME;
        }
        BlockCodec codec;
        if (type.isFloat()) {
            codec = floats(raw, length, type, reference, level);
        } else if (type == ElementType.BYTES) {
            codec = bytes(raw, length, level);
        } else {
            codec = planes(raw, length, type);
        }
        if (codec != BlockCodec.RAW && this.length < WORTH * length) {
            return codec;
        }
        return keep(raw, length);
    }

    /** Bytes that zstd makes of a sample at its fastest. */
    public static int zstdBytes(byte[] sample) {
        return Zstd.compress(sample, 1).length;
    }

    /** Keeps a block as it is. */
    public BlockCodec keep(byte[] raw, int length) {
        System.arraycopy(raw, 0, out, 0, length);
        this.length = length;
        return BlockCodec.RAW;
    }

    /** Codes a block as one zstd frame in any case, so that standard tools can read the member. */
    public BlockCodec encodeStandard(byte[] raw, int length, int level) {
        return bytes(raw, length, level);
    }

    private BlockCodec bytes(byte[] raw, int length, int level) {
        this.length = zstd(level).compressByteArray(out, 0, out.length, raw, 0, length);
        return BlockCodec.ZSTD;
    }

    private BlockCodec floats(
            byte[] raw, int length, ElementType type, byte @Nullable [] reference, int level) {
        int count = length / type.bytes();
        long distance =
                reference == null ? Long.MAX_VALUE : delta().analyse(raw, reference, count, type);
        if (reference != null && distance < SURELY_CHEAPER * length) {
            this.length = delta().encode(raw, reference, count, type, out);
            return BlockCodec.DELTA;
        }
        long alone = plain.analyse(raw, count, type);
        BlockCodec codec;
        if (Math.min(alone, distance) >= length) {
            return BlockCodec.RAW;
        }
        if (reference != null && distance < alone) {
            this.length = delta().encode(raw, reference, count, type, out);
            codec = BlockCodec.DELTA;
        } else {
            this.length = plain.encode(raw, count, type, out);
            codec = BlockCodec.FLOATS;
        }
        boolean few =
                plain.largestShare(count) > COMMON || 8L * this.length < (long) FEW_BITS * count;
        if (few || plain.shareOfZeros(count) > MANY_ZEROS) {
            split(raw, length, type.bytes());
            codec = frame(planes, length, PLANES_LEVEL) ? BlockCodec.PLANES : codec;
        }
        return few && frame(raw, length, level) ? BlockCodec.ZSTD : codec;
    }

    private BlockCodec planes(byte[] raw, int length, ElementType type) {
        split(raw, length, type.bytes());
        bytes(planes, length, PLANES_LEVEL);
        return BlockCodec.PLANES;
    }

    /** One zstd frame if that is shorter than what was coded, which is kept otherwise. */
    private boolean frame(byte[] from, int length, int level) {
        if (other.length == 0) {
            other = new byte[(int) Zstd.compressBound(ArchiveLayout.BLOCK_BYTES)];
        }
        int bytes = zstd(level).compressByteArray(other, 0, other.length, from, 0, length);
        if (bytes >= this.length) {
            return false;
        }
        System.arraycopy(other, 0, out, 0, bytes);
        this.length = bytes;
        return true;
    }

    private void split(byte[] raw, int length, int width) {
        if (planes.length == 0) {
            planes = new byte[ArchiveLayout.BLOCK_BYTES];
        }
        int count = length / width;
        for (int plane = 0; plane < width; plane++) {
            int to = plane * count;
            for (int i = 0; i < count; i++) {
                planes[to + i] = raw[i * width + plane];
            }
        }
    }

    @Override
    public void close() {
        if (zstd != null) {
            zstd.close();
        }
    }
}
