package graft.convert.archive;

import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;

/** SHA-256 of a file that comes in pieces. Not thread-safe. */
final class FileHash {
    /**
     * The processor's instructions for SHA-256 serve whole pieces, not one chunk at a time, when
     * the method that takes a piece has been compiled: so it is called often.
     */
    private static final int PIECE_BYTES = 4096;

    private final MessageDigest digest;

    FileHash() {
        try {
            digest = MessageDigest.getInstance("SHA-256");
        } catch (NoSuchAlgorithmException e) {
            throw new AssertionError("every Java platform has SHA-256", e);
        }
    }

    void update(byte[] bytes, int length) {
        for (int at = 0; at < length; at += PIECE_BYTES) {
            digest.update(bytes, at, Math.min(PIECE_BYTES, length - at));
        }
    }

    String hex() {
        return HexFormat.of().formatHex(digest.digest());
    }
}
