package graft.convert.export;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Stream;

/** Where a model's repository keeps its graph, and what its configuration tells about inputs. */
final class GraphFinder {
    private static final List<String> PLACES = List.of("onnx/model.onnx", "model.onnx");

    private GraphFinder() {}

    /**
     * @param folders to look in, in this order; files are skipped
     */
    static Path find(List<Path> folders) throws NoSuchFileException {
        return folders.stream()
                .flatMap(folder -> PLACES.stream().map(folder::resolve))
                .filter(Files::isRegularFile)
                .findFirst()
                .orElseThrow(() ->
                        new NoSuchFileException(
                                folders.isEmpty() ? "(no base)" : folders.getFirst().toString(),
                                null,
                                "holds no onnx/model.onnx and no model.onnx; name the base's graph with --graph"));
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
