package graft.hub.download;

import graft.hub.HubFile;
import graft.hub.RemoteFile;

import java.io.EOFException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Path;

/** A file that the cache has. */
record CachedFile(HubFile file, Path path) implements RemoteFile {
    @Override
    public void read(long offset, ByteBuffer target) throws IOException {
        RangedFile.checkRange(file, offset, target.remaining());
        try (var channel = FileChannel.open(path)) {
            long at = offset;
            while (target.hasRemaining()) {
                int count = channel.read(target, at);
                if (count < 0) {
                    throw new EOFException(path + ": ends before byte " + at);
                }
                at += count;
            }
        }
    }

    @Override
    public long bytesRead() {
        return 0;
    }
}
