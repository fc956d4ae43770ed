package graft.convert.archive;

import graft.convert.archive.PackFiles.Piece;

import org.jspecify.annotations.Nullable;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.channels.FileChannel;
import java.nio.channels.FileChannel.MapMode;
import java.nio.file.Path;
import java.util.List;

/**
 * The pieces of a file, mapped some dozens at a time: pages are given back while others are worked
 * on, instead of all at the end by one thread, and resident memory does not grow with the file.
 * Safe from any thread.
 */
final class FileWindows implements AutoCloseable {
    /** In a window. */
    private static final int PIECES = 32;

    private record Window(Arena arena, MemorySegment bytes) {}

    private final FileChannel channel;
    private final List<Piece> pieces;
    private final @Nullable Window[] windows;

    private FileWindows(FileChannel channel, List<Piece> pieces) {
        this.channel = channel;
        this.pieces = pieces;
        this.windows = new Window[(pieces.size() + PIECES - 1) / PIECES];
    }

    /**
     * @param pieces in the order of the file, one behind the other
     */
    static FileWindows open(Path file, List<Piece> pieces) throws IOException {
        return new FileWindows(FileChannel.open(file), pieces);
    }

    /** The bytes of a piece, good until {@link #done}. */
    MemorySegment of(int piece) throws IOException {
        long start = pieces.get(piece / PIECES * PIECES).offset();
        MemorySegment window = window(piece / PIECES, start);
        return window.asSlice(pieces.get(piece).offset() - start, pieces.get(piece).length());
    }

    @SuppressWarnings("MustBeClosedChecker") // closed when the last piece is done
    private synchronized MemorySegment window(int number, long start) throws IOException {
        Window window = windows[number];
        if (window == null) {
            Piece last = pieces.get(Math.min(pieces.size(), (number + 1) * PIECES) - 1);
            long bytes = last.offset() + last.length() - start;
            Arena arena = Arena.ofShared();
            try {
                window = new Window(arena, channel.map(MapMode.READ_ONLY, start, bytes, arena));
            } catch (Throwable e) {
                arena.close();
                throw e;
            }
            windows[number] = window;
        }
        return window.bytes();
    }

    /** Says that neither this piece nor one before it will be read again. */
    void done(int piece) {
        if (piece % PIECES == PIECES - 1) {
            unmap(piece / PIECES);
        }
    }

    private synchronized void unmap(int number) {
        Window window = windows[number];
        windows[number] = null;
        if (window != null) {
            window.arena().close();
        }
    }

    @Override
    public void close() throws IOException {
        for (int i = 0; i < windows.length; i++) {
            unmap(i);
        }
        channel.close();
    }
}
