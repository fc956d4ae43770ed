package graft.convert.export;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;

import graft.convert.ledger.Ledger;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.stream.Stream;

/**
 * Where a model's repository keeps its graph, on disk and on the Hub alike: {@code
 * onnx/model.onnx}, else {@code model.onnx}, else the only graph of its folder and of {@code
 * onnx/}. And what its configuration tells about inputs.
 */
public final class GraphFinder {
    private static final List<String> PLACES = List.of("onnx/model.onnx", "model.onnx");
    private static final String FOLDER = "onnx";
    private static final String ENDING = ".onnx";

    private GraphFinder() {}

    /**
     * The graph among a folder's files.
     *
     * @param paths relative to the folder, with slashes
     * @return empty if there is none, or which of several was meant cannot be known, and for what
     *     Graft wrote: that graph is of a task, not of a base
     */
    public static Optional<String> choose(Collection<String> paths) {
        if (paths.contains(Ledger.FILE_NAME)) {
            return Optional.empty();
        }
        Optional<String> usual = PLACES.stream().filter(paths::contains).findFirst();
        if (usual.isPresent()) {
            return usual;
        }
        List<String> graphs =
                paths.stream()
                        .filter(path -> path.endsWith(ENDING))
                        .filter(GraphFinder::isNear)
                        .toList();
        return graphs.size() == 1 ? Optional.of(graphs.getFirst()) : Optional.empty();
    }

    private static boolean isNear(String path) {
        String rest = path.startsWith(FOLDER + "/") ? path.substring(FOLDER.length() + 1) : path;
        return rest.indexOf('/') < 0;
    }

    /**
     * The graph in a folder on disk.
     *
     * @return empty as {@link #choose}, and for a file
     */
    public static Optional<Path> find(Path folder) throws IOException {
        if (Files.exists(folder.resolve(Ledger.FILE_NAME))) {
            return Optional.empty();
        }
        List<String> paths = new ArrayList<>();
        addGraphs(folder, "", paths);
        addGraphs(folder.resolve(FOLDER), FOLDER + "/", paths);
        return choose(paths).map(folder::resolve);
    }

    private static void addGraphs(Path folder, String prefix, List<String> paths)
            throws IOException {
        if (Files.isDirectory(folder)) {
            try (Stream<Path> files = Files.list(folder)) {
                files.filter(Files::isRegularFile)
                        .map(file -> prefix + file.getFileName())
                        .filter(path -> path.endsWith(ENDING))
                        .forEach(paths::add);
            }
        }
    }

    /**
     * The first graph found.
     *
     * @param folders to look in, in this order; files are skipped
     * @throws NoSuchFileException if there is none
     */
    public static Path find(List<Path> folders) throws IOException {
        for (Path folder : folders) {
            Optional<Path> found = find(folder);
            if (found.isPresent()) {
                return found.get();
            }
        }
        throw missing(folders.isEmpty() ? "(no base)" : folders.getFirst().toString());
    }

    /** What to say where none is found. */
    public static NoSuchFileException missing(String place) {
        return new NoSuchFileException(
                place,
                null,
                "holds no onnx/model.onnx, no model.onnx and no other graph alone; name the base's graph with --graph");
    }

    /** Extents of made-up inputs by words in their names, from {@code config.json}. */
    static Map<String, Integer> sizes(List<Path> folders) throws IOException {
        Map<String, Integer> sizes = new TreeMap<>();
        for (Path folder : folders) {
            Path config = folder.resolve("config.json");
            if (Files.isRegularFile(config) && Files.size(config) < 1 << 20) {
                JsonNode document = new ObjectMapper().readTree(config.toFile());
                for (JsonNode node : Stream.of(document, document.path("vision_config")).toList()) {
                    JsonNode image = node.path("image_size");
                    put(sizes, "height", image.isArray() ? image.path(0) : image);
                    put(sizes, "width", image.isArray() ? image.path(1) : image);
                    put(sizes, "channel", node.path("num_channels"));
                    put(sizes, "feature", node.path("num_mel_bins"));
                }
            }
        }
        return sizes;
    }

    private static void put(Map<String, Integer> sizes, String word, JsonNode value) {
        if (value.canConvertToInt() && value.asInt() > 0) {
            sizes.putIfAbsent(word, value.asInt());
        }
    }
}
