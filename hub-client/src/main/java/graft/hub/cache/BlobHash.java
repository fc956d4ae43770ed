package graft.hub.cache;

import java.io.EOFException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;

/**
 * The hash that an ETag promises, over content that is read in order: SHA-256 of the bytes for 64
 * digits, git's object id ({@code sha1("blob " + size + NUL + bytes)}) for 40. For one thread at a
 * time; {@link #hashed} for any.
 */
public final class BlobHash {
    private static final int TILE = 1 << 16;

    private final MessageDigest digest;
    private final byte[] tile = new byte[TILE];
    private volatile long hashed;

    private BlobHash(MessageDigest digest) {
        this.digest = digest;
    }

    /** The hash that {@code etag} is of. */
    public static BlobHash like(String etag, long size) {
        return etag.length() == 64 ? sha256() : git(size);
    }

    public static BlobHash sha256() {
        return new BlobHash(digest("SHA-256"));
    }

    /** The id of a git blob of {@code size} bytes. */
    public static BlobHash git(long size) {
        MessageDigest digest = digest("SHA-1");
        digest.update(("blob " + size + "\0").getBytes(StandardCharsets.US_ASCII));
        return new BlobHash(digest);
    }

    /** The hash of a whole file, in the kind of {@code etag}. */
    public static String of(Path file, String etag) throws IOException {
        try (var channel = FileChannel.open(file)) {
            long size = channel.size();
            BlobHash hash = like(etag, size);
            hash.upTo(channel, size);
            return hash.hex();
        }
    }

    /** The hash of bytes in memory, in the kind of {@code etag}. */
    public static String of(byte[] content, String etag) {
        BlobHash hash = like(etag, content.length);
        hash.digest.update(content);
        return hash.hex();
    }

    /** SHA-256 of a text, for names. */
    static String ofText(String text) {
        byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
        return HexFormat.of().formatHex(digest("SHA-256").digest(bytes));
    }

    /** Bytes hashed so far. */
    public long hashed() {
        return hashed;
    }

    /**
     * Goes on to {@code end} of the file. Read, not mapped: a page fault costs more than its copy.
     *
     * @throws EOFException if the file ends before
     */
    public void upTo(FileChannel channel, long end) throws IOException {
        while (hashed < end) {
            int wanted = (int) Math.min(TILE, end - hashed);
            int length = channel.read(ByteBuffer.wrap(tile, 0, wanted), hashed);
            if (length < 0) {
                throw new EOFException("%d of %d bytes are there".formatted(hashed, end));
            }
            digest.update(tile, 0, length);
            hashed += length;
        }
    }

    /** The hash in hex digits; ends this object. */
    public String hex() {
        return HexFormat.of().formatHex(digest.digest());
    }

    private static MessageDigest digest(String name) {
        try {
            return MessageDigest.getInstance(name);
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException(e); // every Java has both
        }
    }
}
