package graft.convert.plan;

import graft.formats.tensor.Shape;
import graft.formats.tensor.TensorInfo;
import graft.formats.tensor.TensorSource;
import graft.formats.tensor.Widener;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.NoSuchElementException;

/**
 * The same tensor in two checkpoints, walked side by side in float32 tiles. A value that asks for
 * bytes when it is walked, since a source may have to gather them; good for as long as the
 * checkpoints are open.
 *
 * @param base what it is in the base
 * @param baseSource the base
 * @param model what it is in the model: same name and shape, perhaps another type
 * @param modelSource the model
 */
public record TensorPair(
        TensorInfo base, TensorSource baseSource, TensorInfo model, TensorSource modelSource) {
    /** Elements of a tile at most. */
    public static final int TILE = 1 << 15;

    /** Sees one tile of both. */
    @FunctionalInterface
    public interface Visitor {
        /**
         * @param first flat index of the tile's first element
         * @param base widened values; the array is used again for the next tile
         * @param model likewise
         * @param count elements that are filled
         */
        void visit(long first, float[] base, float[] model, int count) throws IOException;
    }

    /** The tensor {@code name} of both sources. */
    public static TensorPair of(TensorSource base, TensorSource model, String name) {
        return new TensorPair(info(base, name), base, info(model, name), model);
    }

    /** The middle rows of a matrix, or the middle of a vector, that hold about as many elements. */
    public TensorPair middle(long about) {
        long[] extents = model.shape().toArray();
        if (extents.length == 0 || elements() <= about) {
            return this;
        }
        long rowLength = elements() / extents[0];
        long rows = Math.clamp(about / rowLength, 1, extents[0]);
        long first = (extents[0] - rows) / 2;
        extents[0] = rows;
        return new TensorPair(
                rows(base, extents),
                part(base, baseBytes(), first, rowLength, extents),
                rows(model, extents),
                part(model, modelBytes(), first, rowLength, extents));
    }

    private static TensorInfo rows(TensorInfo info, long[] extents) {
        return new TensorInfo(info.name(), info.dtype(), Shape.of(extents));
    }

    private static OneTensor part(
            TensorInfo info, MemorySegment bytes, long first, long rowLength, long[] extents) {
        TensorInfo rows = rows(info, extents);
        long at = first * rowLength * info.dtype().bytes();
        return new OneTensor(rows, bytes.asSlice(at, rows.bytes()));
    }

    private static TensorInfo info(TensorSource source, String name) {
        return source.find(name).orElseThrow(() -> new NoSuchElementException(name));
    }

    /** Whether {@code base} and {@code model} hold this tensor as one that can be subtracted. */
    public static boolean isShared(TensorInfo base, TensorInfo model) {
        return base.shape().equals(model.shape())
                && base.dtype().isComputable()
                && model.dtype().isComputable();
    }

    /** Its bytes in the base; hold them rather than ask again. */
    public MemorySegment baseBytes() {
        return baseSource.bytes(base.name());
    }

    /** Its bytes in the model; hold them rather than ask again. */
    public MemorySegment modelBytes() {
        return modelSource.bytes(model.name());
    }

    /** Elements of either. */
    public long elements() {
        return model.shape().elements();
    }

    /** Bytes of both. */
    public long bytes() {
        return base.bytes() + model.bytes();
    }

    /** Sees one tile of both and says whether to go on. */
    @FunctionalInterface
    public interface Search {
        /** See {@link Visitor#visit}. */
        boolean goesOn(long first, float[] base, float[] model, int count) throws IOException;
    }

    /** Visits all tiles in ascending order, on the calling thread. */
    public void walk(Visitor visitor) throws IOException {
        walk(0, elements(), visitor);
    }

    /** Visits the tiles of {@code length} elements from element {@code start} on. */
    public void walk(long start, long length, Visitor visitor) throws IOException {
        walkWhile(
                start,
                length,
                TILE,
                (first, base, model, count) -> {
                    visitor.visit(first, base, model, count);
                    return true;
                });
    }

    /**
     * Visits all tiles until a visit says to stop.
     *
     * @return whether none did
     */
    public boolean walkWhile(Search search) throws IOException {
        return walkWhile(TILE, search);
    }

    /**
     * Visits tiles of at most {@code most} elements until a visit says to stop.
     *
     * @return whether none did
     */
    public boolean walkWhile(int most, Search search) throws IOException {
        return walkWhile(0, elements(), most, search);
    }

    private boolean walkWhile(long start, long length, int tile, Search search) throws IOException {
        int most = (int) Math.clamp(length, 1, tile);
        float[] from = new float[most];
        float[] to = new float[most];
        Widener ofBase = widener(base, baseBytes(), start, length);
        Widener ofModel = widener(model, modelBytes(), start, length);
        for (long first = start; first < start + length; first += most) {
            int count = (int) Math.min(most, start + length - first);
            ofBase.widen(first - start, from, 0, count);
            ofModel.widen(first - start, to, 0, count);
            if (!search.goesOn(first, from, to, count)) {
                return false;
            }
        }
        return true;
    }

    private static Widener widener(TensorInfo info, MemorySegment bytes, long start, long length) {
        long size = info.dtype().bytes();
        return new Widener(info.dtype(), bytes.asSlice(start * size, length * size));
    }

    /** Bytes of all pairs. */
    public static long bytes(List<TensorPair> pairs) {
        return pairs.stream().mapToLong(TensorPair::bytes).sum();
    }
}
