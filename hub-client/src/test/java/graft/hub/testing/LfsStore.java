package graft.hub.testing;

import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.security.DigestInputStream;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.List;
import java.util.UUID;

/** Large files by the sha256 of their content, laid out as git-lfs does: {@code ab/cd/abcd…}. */
final class LfsStore {
    private final Path root;

    LfsStore(Path root) throws IOException {
        this.root = Files.createDirectories(root);
    }

    Path file(String sha256) {
        return root.resolve(sha256.substring(0, 2)).resolve(sha256.substring(2, 4)).resolve(sha256);
    }

    boolean has(String sha256, long size) throws IOException {
        Path file = file(sha256);
        return Files.isRegularFile(file) && Files.size(file) == size;
    }

    /** Stores a local file, by hard link where the file system allows it. */
    LfsPointer add(Path source) throws IOException {
        String sha256;
        try (var in = Files.newInputStream(source)) {
            sha256 = digest(in, "SHA-256");
        }
        Path file = file(sha256);
        if (!Files.exists(file)) {
            Files.createDirectories(file.getParent());
            try {
                Files.createLink(file, source);
            } catch (IOException | UnsupportedOperationException e) {
                Files.copy(source, file);
            }
        }
        return new LfsPointer(sha256, Files.size(file));
    }

    /**
     * Stores an uploaded body; refuses one whose hash is not {@code sha256}, as S3 does by its
     * checksum header.
     */
    boolean put(String sha256, InputStream body) throws IOException {
        Path part = temporary();
        Files.copy(body, part);
        return publish(sha256, part);
    }

    /** Stores one part of a multipart upload and returns its ETag, the quoted MD5 of S3. */
    String putPart(String upload, int number, InputStream body) throws IOException {
        MessageDigest md5 = digest("MD5");
        Path part = temporary();
        Files.copy(new DigestInputStream(body, md5), part);
        Path file = part(upload, number);
        Files.createDirectories(file.getParent());
        Files.move(part, file, StandardCopyOption.ATOMIC_MOVE);
        return '"' + HexFormat.of().formatHex(md5.digest()) + '"';
    }

    /**
     * Joins parts 1 to n; false if one is missing, an ETag differs or the whole has another hash.
     */
    boolean complete(String upload, String sha256, List<String> etags) throws IOException {
        Path whole = temporary();
        try (var out = Files.newOutputStream(whole)) {
            for (int number = 1; number <= etags.size(); number++) {
                Path part = part(upload, number);
                if (!Files.exists(part) || !etag(part).equals(etags.get(number - 1))) {
                    Files.delete(whole);
                    return false;
                }
                Files.copy(part, out);
            }
        }
        return publish(sha256, whole);
    }

    private boolean publish(String sha256, Path whole) throws IOException {
        try (var in = Files.newInputStream(whole)) {
            if (!digest(in, "SHA-256").equals(sha256)) {
                Files.delete(whole);
                return false;
            }
        }
        Files.createDirectories(file(sha256).getParent());
        Files.move(whole, file(sha256), StandardCopyOption.ATOMIC_MOVE);
        return true;
    }

    private static String etag(Path part) throws IOException {
        try (var in = Files.newInputStream(part)) {
            return '"' + digest(in, "MD5") + '"';
        }
    }

    private Path part(String upload, int number) {
        return root.resolve("parts").resolve(upload).resolve(Integer.toString(number));
    }

    private Path temporary() {
        return root.resolve(UUID.randomUUID() + ".tmp");
    }

    static String sha256(byte[] content) throws IOException {
        return HexFormat.of().formatHex(digest("SHA-256").digest(content));
    }

    private static String digest(InputStream in, String algorithm) throws IOException {
        MessageDigest digest = digest(algorithm);
        byte[] buffer = new byte[1 << 16];
        for (int n = in.read(buffer); n >= 0; n = in.read(buffer)) {
            digest.update(buffer, 0, n);
        }
        return HexFormat.of().formatHex(digest.digest());
    }

    private static MessageDigest digest(String algorithm) throws IOException {
        try {
            return MessageDigest.getInstance(algorithm);
        } catch (NoSuchAlgorithmException e) {
            throw new IOException(e);
        }
    }
}
