package graft.hub.testing;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.zip.DeflaterOutputStream;
import java.util.zip.InflaterInputStream;

/**
 * A bare git repository of loose objects and loose refs; {@code git fsck} and {@code git clone}
 * accept it. Formats: git's {@code gitformat-loose(5)}, "Git Internals - Git Objects".
 */
final class GitStore {
    /** One name below the root of a commit. */
    record Entry(String path, boolean directory, String oid) {}

    record Commit(
            String oid,
            String tree,
            List<String> parents,
            Instant time,
            String author,
            String text) {
        String title() {
            return text.lines().findFirst().orElse("");
        }
    }

    private final Path root;

    GitStore(Path root) throws IOException {
        this.root = root;
        Files.createDirectories(root.resolve("objects"));
        Files.createDirectories(root.resolve("refs/heads"));
        Files.writeString(root.resolve("HEAD"), "ref: refs/heads/main\n");
        Files.writeString(
                root.resolve("config"),
                "[core]\n\trepositoryformatversion = 0\n\tfilemode = true\n\tbare = true\n");
    }

    String writeBlob(byte[] content) throws IOException {
        return write("blob", content);
    }

    byte[] readBlob(String oid) throws IOException {
        return read("blob", oid);
    }

    /** A tree, and those below it, from the blobs of all files by path. */
    String writeTree(SortedMap<String, String> blobs) throws IOException {
        Map<String, String> files = new TreeMap<>();
        Map<String, SortedMap<String, String>> folders = new TreeMap<>();
        blobs.forEach((path, oid) -> {
            int slash = path.indexOf('/');
            if (slash < 0) {
                files.put(path, oid);
            } else {
                folders.computeIfAbsent(path.substring(0, slash), _ -> new TreeMap<>())
                        .put(path.substring(slash + 1), oid);
            }
        });
        record Line(String order, String mode, String name, String oid) {}
        List<Line> lines = new ArrayList<>();
        files.forEach((name, oid) -> lines.add(new Line(name, "100644", name, oid)));
        for (var folder : folders.entrySet()) {
            // Git sorts a folder as if its name ended in a slash.
            String order = folder.getKey() + "/";
            lines.add(new Line(order, "40000", folder.getKey(), writeTree(folder.getValue())));
        }
        lines.sort((a, b) -> Arrays.compareUnsigned(utf8(a.order), utf8(b.order)));
        var tree = new ByteArrayOutputStream();
        for (Line line : lines) {
            tree.writeBytes(utf8(line.mode + " " + line.name + "\0"));
            tree.writeBytes(HexFormat.of().parseHex(line.oid));
        }
        return write("tree", tree.toByteArray());
    }

    /** All files and folders below a tree, in git's order, a folder before what it holds. */
    List<Entry> readTree(String oid) throws IOException {
        List<Entry> entries = new ArrayList<>();
        readTree(oid, "", entries);
        return entries;
    }

    private void readTree(String oid, String prefix, List<Entry> entries) throws IOException {
        byte[] tree = read("tree", oid);
        for (int at = 0; at < tree.length; ) {
            int space = indexOf(tree, (byte) ' ', at);
            int end = indexOf(tree, (byte) 0, space);
            boolean directory = tree[at] == '4';
            String path = prefix + utf8(tree, space + 1, end);
            String child = HexFormat.of().formatHex(tree, end + 1, end + 21);
            entries.add(new Entry(path, directory, child));
            if (directory) {
                readTree(child, path + "/", entries);
            }
            at = end + 21;
        }
    }

    String writeCommit(String tree, List<String> parents, Instant time, String author, String text)
            throws IOException {
        var commit = new StringBuilder("tree ").append(tree).append('\n');
        parents.forEach(parent -> commit.append("parent ").append(parent).append('\n'));
        String who =
                "%s <%s@users.noreply> %d +0000".formatted(author, author, time.getEpochSecond());
        commit.append("author ").append(who).append("\ncommitter ").append(who);
        return write("commit", utf8(commit.append("\n\n").append(text).append('\n').toString()));
    }

    Commit readCommit(String oid) throws IOException {
        String commit = new String(read("commit", oid), StandardCharsets.UTF_8);
        int body = commit.indexOf("\n\n");
        String tree = "";
        List<String> parents = new ArrayList<>();
        String author = "";
        Instant time = Instant.EPOCH;
        for (String line : commit.substring(0, body).split("\n", -1)) {
            if (line.startsWith("tree ")) {
                tree = line.substring(5);
            } else if (line.startsWith("parent ")) {
                parents.add(line.substring(7));
            } else if (line.startsWith("author ")) {
                author = line.substring(7, line.indexOf(" <"));
                String[] words = line.split(" ", -1);
                time = Instant.ofEpochSecond(Long.parseLong(words[words.length - 2]));
            }
        }
        return new Commit(oid, tree, parents, time, author, commit.substring(body + 2).strip());
    }

    boolean has(String oid) {
        return Files.exists(object(oid));
    }

    /** The commit that a full reference name, e.g. {@code refs/pr/1}, points to. */
    Optional<String> ref(String name) throws IOException {
        Path file = root.resolve(name);
        return Files.isRegularFile(file)
                ? Optional.of(Files.readString(file).strip())
                : Optional.empty();
    }

    void setRef(String name, String commit) throws IOException {
        Path file = root.resolve(name);
        Files.createDirectories(file.getParent());
        Path next = Files.createTempFile(root, "ref", ".tmp");
        Files.writeString(next, commit + "\n");
        Files.move(next, file, StandardCopyOption.ATOMIC_MOVE);
    }

    /** Every reference below {@code refs/}, sorted by name. */
    SortedMap<String, String> refs() throws IOException {
        SortedMap<String, String> refs = new TreeMap<>();
        try (var files = Files.walk(root.resolve("refs"))) {
            for (Path file : files.filter(Files::isRegularFile).toList()) {
                refs.put(
                        root.relativize(file).toString().replace('\\', '/'),
                        Files.readString(file).strip());
            }
        }
        return refs;
    }

    private String write(String type, byte[] content) throws IOException {
        byte[] header = utf8(type + " " + content.length + "\0");
        MessageDigest sha1 = sha1();
        sha1.update(header);
        String oid = HexFormat.of().formatHex(sha1.digest(content));
        Path file = object(oid);
        if (!Files.exists(file)) {
            Files.createDirectories(file.getParent());
            Path next = Files.createTempFile(root, "object", ".tmp");
            try (var out = new DeflaterOutputStream(Files.newOutputStream(next))) {
                out.write(header);
                out.write(content);
            }
            Files.move(next, file, StandardCopyOption.ATOMIC_MOVE);
        }
        return oid;
    }

    private byte[] read(String type, String oid) throws IOException {
        byte[] all;
        try (var in = new InflaterInputStream(Files.newInputStream(object(oid)))) {
            all = in.readAllBytes();
        }
        int end = indexOf(all, (byte) 0, 0);
        if (!utf8(all, 0, end).startsWith(type + " ")) {
            throw new IOException("object " + oid + " is no " + type);
        }
        return Arrays.copyOfRange(all, end + 1, all.length);
    }

    private Path object(String oid) {
        return root.resolve("objects").resolve(oid.substring(0, 2)).resolve(oid.substring(2));
    }

    private static MessageDigest sha1() {
        try {
            return MessageDigest.getInstance("SHA-1");
        } catch (NoSuchAlgorithmException e) {
            throw new UncheckedIOException(new IOException(e));
        }
    }

    private static byte[] utf8(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    private static String utf8(byte[] bytes, int from, int to) {
        return new String(bytes, from, to - from, StandardCharsets.UTF_8);
    }

    private static int indexOf(byte[] bytes, byte wanted, int from) {
        int at = from;
        while (bytes[at] != wanted) {
            at++;
        }
        return at;
    }
}
