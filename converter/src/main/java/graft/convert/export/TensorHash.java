package graft.convert.export;

import graft.formats.tensor.DType;
import graft.formats.tensor.Elements;
import graft.formats.tensor.TensorInfo;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;

/** SHA-256 of a tensor's values as another type would store them, as it lies or transposed. */
final class TensorHash {
    private static final int TILE = 1 << 15;

    private TensorHash() {}

    /** Row-major, cast to {@code type}. */
    static String of(TensorInfo info, MemorySegment bytes, DType type) {
        MessageDigest digest = sha256();
        long elements = info.shape().elements();
        float[] values = new float[(int) Math.clamp(elements, 1, TILE)];
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment cast = arena.allocate((long) values.length * type.bytes());
            for (long first = 0; first < elements; first += values.length) {
                int count = (int) Math.min(values.length, elements - first);
                Elements.widen(info.dtype(), bytes, first, values, 0, count);
                Elements.narrow(type, values, 0, cast, 0, count);
                digest.update(cast.asSlice(0, (long) count * type.bytes()).asByteBuffer());
            }
        }
        return HexFormat.of().formatHex(digest.digest());
    }

    /** Of the transpose of a matrix, cast to {@code type}; a band of columns at a time. */
    static String ofTranspose(TensorInfo info, MemorySegment bytes, DType type) throws IOException {
        MessageDigest digest = sha256();
        int rows = Math.toIntExact(info.shape().extent(0));
        int columns = Math.toIntExact(info.shape().extent(1));
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment cast = arena.allocate((long) rows * type.bytes());
            Columns.walk(
                    ModelChanges.values(info.dtype(), bytes),
                    rows,
                    columns,
                    (_, column) -> {
                        Elements.narrow(type, column, 0, cast, 0, rows);
                        digest.update(cast.asByteBuffer());
                    });
        }
        return HexFormat.of().formatHex(digest.digest());
    }

    private static MessageDigest sha256() {
        try {
            return MessageDigest.getInstance("SHA-256");
        } catch (NoSuchAlgorithmException e) {
            throw new AssertionError("every Java platform has SHA-256", e);
        }
    }
}
