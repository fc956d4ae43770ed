package graft.convert.plan;

import graft.formats.tensor.TensorInfo;

import java.io.IOException;
import java.util.Optional;

/**
 * Who looks at tensors while they are made of those of several models, tile after tile: what is in
 * the cache need not be read again. Safe from any thread, one per tensor.
 */
@FunctionalInterface
public interface TileWatcher {
    /** Nobody. */
    TileWatcher NONE = (_, _) -> Optional.empty();

    /**
     * Before a tensor is made.
     *
     * @param made what it will be
     * @param preview makes parts of it ahead of the others
     * @return who sees its tiles; empty if nobody is to
     */
    Optional<Watch> watch(TensorInfo made, Preview preview) throws IOException;

    /** Sees a tile. */
    @FunctionalInterface
    interface Tiles {
        /**
         * @param first flat index of the tile's first element
         * @param made widened values, as they are stored; used again for the next tile
         * @param models the same of every model; may be changed
         * @param count elements that are filled, at most 2048
         */
        void visit(long first, float[] made, float[][] models, int count) throws IOException;
    }

    /** Makes a part of a tensor for somebody. */
    @FunctionalInterface
    interface Preview {
        /** Visits the tiles of {@code count} elements from {@code first} on. */
        void walk(long first, int count, Tiles tiles) throws IOException;
    }

    /** Sees all tiles of a tensor in ascending order. */
    interface Watch extends Tiles, AutoCloseable {
        /** After the last tile, which is written. */
        void end() throws IOException;

        @Override
        void close();
    }
}
