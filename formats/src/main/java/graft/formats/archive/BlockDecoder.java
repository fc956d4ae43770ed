package graft.formats.archive;

import com.github.luben.zstd.ZstdDecompressCtx;
import com.github.luben.zstd.ZstdException;

import org.jspecify.annotations.Nullable;

/** Restores blocks. Holds buffers of some megabytes; one instance per thread. */
final class BlockDecoder implements AutoCloseable {
    private final PlainFloats plain = new PlainFloats();

    /** Made when they are needed first, as most are not in most runs. */
    private @Nullable DeltaFloats delta;

    private @Nullable ZstdDecompressCtx zstd;
    private byte[] planes = {};

    private DeltaFloats delta() {
        if (delta == null) {
            int[] slots = new int[SymbolModel.MAX_TABLES << Rans.PRECISION];
            delta = new DeltaFloats(ArchiveLayout.BLOCK_BYTES, slots);
        }
        return delta;
    }

    /**
     * Restores {@code length} bytes into {@code raw}.
     *
     * @param stored what the archive holds, with eight bytes of slack behind {@code storedLength}
     * @param reference as many bytes, for the codecs that need them
     */
    void decode(
            BlockCodec codec,
            byte[] stored,
            int storedLength,
            ElementType type,
            byte @Nullable [] reference,
            byte[] raw,
            int length)
            throws CorruptBlockException {
        int count = length / type.bytes();
        try {
            switch (codec) {
                case RAW -> {
                    exactly(storedLength, length);
                    System.arraycopy(stored, 0, raw, 0, length);
                }
                case SAME -> {
                    exactly(storedLength, 0);
                    System.arraycopy(given(reference), 0, raw, 0, length);
                }
                case ZSTD -> decompress(stored, storedLength, raw, length);
                case PLANES -> {
                    if (planes.length == 0) {
                        planes = new byte[ArchiveLayout.BLOCK_BYTES];
                    }
                    decompress(stored, storedLength, planes, length);
                    join(planes, length, type.bytes(), raw);
                }
                case FLOATS -> plain.decode(stored, storedLength, raw, count, floats(type));
                case DELTA -> {
                    byte[] from = given(reference);
                    delta().decode(stored, storedLength, from, raw, count, floats(type));
                }
            }
        } catch (IndexOutOfBoundsException e) {
            // the loops do not check what every read of a damaged stream would fail anyway
            throw new CorruptBlockException("a coded part runs past the end");
        }
    }

    private static byte[] given(byte @Nullable [] reference) throws CorruptBlockException {
        if (reference == null) {
            throw new CorruptBlockException("refers to other bytes, and there are none");
        }
        return reference;
    }

    private static ElementType floats(ElementType type) throws CorruptBlockException {
        if (!type.isFloat()) {
            throw new CorruptBlockException("codes floats, but holds " + type.word());
        }
        return type;
    }

    private static void exactly(int stored, int wanted) throws CorruptBlockException {
        if (stored != wanted) {
            throw new CorruptBlockException(
                    "%d bytes are stored, not %d".formatted(stored, wanted));
        }
    }

    private void decompress(byte[] stored, int storedLength, byte[] into, int length)
            throws CorruptBlockException {
        if (zstd == null) {
            zstd = new ZstdDecompressCtx();
        }
        int bytes;
        try {
            bytes = zstd.decompressByteArray(into, 0, length, stored, 0, storedLength);
        } catch (ZstdException e) {
            throw new CorruptBlockException("zstd: " + e.getMessage());
        }
        exactly(bytes, length);
    }

    private static void join(byte[] planes, int length, int width, byte[] raw) {
        int count = length / width;
        for (int plane = 0; plane < width; plane++) {
            int from = plane * count;
            for (int i = 0; i < count; i++) {
                raw[i * width + plane] = planes[from + i];
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
