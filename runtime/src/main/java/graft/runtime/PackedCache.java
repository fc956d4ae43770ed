package graft.runtime;

import ai.onnxruntime.OrtEnvironment;
import ai.onnxruntime.OrtException;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.List;

/**
 * Graphs as ONNX Runtime writes them after optimising: constants folded, weights in the layout of
 * this machine's kernels. An entry appears by rename of a finished folder; processes that make the
 * same one at once do no harm.
 */
final class PackedCache {
    private static final String GRAPH = "packed.onnx";
    private static final String DATA = "packed.data";

    private final Path folder;
    private final SessionSettings settings;

    PackedCache(Path folder, SessionSettings settings) {
        this.folder = folder;
        this.settings = settings;
    }

    /** The packed form of a graph, made now if it is not there. */
    Path packed(Path graph) throws IOException, OrtException {
        Path entry = folder.resolve(key(graph));
        if (!Files.exists(entry.resolve(GRAPH))) {
            Files.createDirectories(folder);
            Path temporary = Files.createTempDirectory(folder, ".packing");
            try {
                pack(graph, temporary);
                move(temporary, entry);
            } finally {
                delete(temporary);
            }
        }
        return entry.resolve(GRAPH).toAbsolutePath();
    }

    private void pack(Path graph, Path into) throws OrtException {
        try (var options = settings.options()) {
            options.setOptimizedModelFilePath(into.resolve(GRAPH).toAbsolutePath().toString());
            options.addConfigEntry("session.optimized_model_external_initializers_file_name", DATA);
            options.addConfigEntry(
                    "session.optimized_model_external_initializers_min_size_in_bytes", "1024");
            options.addConfigEntry("session.save_external_prepacked_constant_initializers", "1");
            OrtEnvironment.getEnvironment().createSession(graph.toString(), options).close();
        }
    }

    private static void move(Path from, Path to) throws IOException {
        try {
            Files.move(from, to, StandardCopyOption.ATOMIC_MOVE);
        } catch (FileSystemException e) {
            if (!Files.exists(to.resolve(GRAPH))) { // another process was faster
                throw e;
            }
        }
    }

    private static void delete(Path temporary) throws IOException {
        if (Files.isDirectory(temporary)) {
            for (String name : List.of(GRAPH, DATA)) {
                Files.deleteIfExists(temporary.resolve(name));
            }
            Files.delete(temporary);
        }
    }

    /** Changes with the graph, its data files, ONNX Runtime and the kind of machine. */
    private static String key(Path graph) throws IOException {
        MessageDigest digest;
        try {
            digest = MessageDigest.getInstance("SHA-256");
        } catch (NoSuchAlgorithmException e) {
            throw new AssertionError("every Java platform has SHA-256", e);
        }
        digest.update(Files.readAllBytes(graph));
        List<Path> data;
        try (var files = Files.list(graph.resolveSibling("."))) {
            data =
                    files.filter(f -> f.toString().matches(".*\\.(data|safetensors)"))
                            .sorted()
                            .toList();
        }
        for (Path file : data) {
            digest.update(file.getFileName().toString().getBytes(StandardCharsets.UTF_8));
            digest.update(
                    ByteBuffer.allocate(16)
                            .putLong(Files.size(file))
                            .putLong(Files.getLastModifiedTime(file).toMillis())
                            .flip());
        }
        String machine =
                OrtEnvironment.getEnvironment().getVersion() + System.getProperty("os.arch");
        digest.update(machine.getBytes(StandardCharsets.UTF_8));
        return "%s-%s"
                .formatted(
                        graph.getFileName().toString().replace(".onnx", ""),
                        HexFormat.of().formatHex(digest.digest(), 0, 8));
    }
}
