package graft.hub.upload;

import graft.hub.HubEvent;
import graft.hub.HubListener;

import okhttp3.MediaType;
import okhttp3.RequestBody;

import okio.BufferedSink;

import org.jspecify.annotations.Nullable;

import java.io.EOFException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;

/** A part of a file as a request body; may be sent again from its start. */
final class FileBody extends RequestBody {
    private static final int TILE = 1 << 16;

    private final LocalFile file;
    private final long offset;
    private final long length;
    private final HubListener listener;
    private long sent;

    FileBody(LocalFile file, long offset, long length, HubListener listener) {
        this.file = file;
        this.offset = offset;
        this.length = length;
        this.listener = listener;
    }

    @Override
    public @Nullable MediaType contentType() {
        return null; // the signature of the address covers the headers
    }

    @Override
    public long contentLength() {
        return length;
    }

    @Override
    public void writeTo(BufferedSink sink) throws IOException {
        if (sent > 0) {
            listener.on(new HubEvent.Restarted(file.path(), sent, "the upload failed"));
            sent = 0;
        }
        ByteBuffer tile = ByteBuffer.allocate(TILE);
        try (var channel = FileChannel.open(file.source())) {
            while (sent < length) {
                tile.clear().limit((int) Math.min(TILE, length - sent));
                int count = channel.read(tile, offset + sent);
                if (count < 0) {
                    throw new EOFException(file.source() + ": became shorter while it was sent");
                }
                sink.write(tile.flip());
                sent += count;
                listener.on(new HubEvent.Moved(file.path(), count));
            }
        }
    }
}
