package graft.formats.onnx;

import graft.formats.FileSpot;
import graft.formats.MalformedFileException;
import graft.formats.onnx.proto.AttributeProto;
import graft.formats.onnx.proto.GraphProto;
import graft.formats.onnx.proto.NodeProto;
import graft.formats.onnx.proto.StringStringEntryProto;
import graft.formats.onnx.proto.TensorProto;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.channels.FileChannel;
import java.nio.channels.FileChannel.MapMode;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import java.util.Objects;
import java.util.SortedSet;
import java.util.TreeSet;

/**
 * The data files of one graph, each mapped once. A location comes from a stranger: it may only name
 * a file at or below the graph's own folder, links resolved.
 */
final class ExternalFiles {
    private final Path graph;
    private final Arena arena;
    private final Map<String, MemorySegment> mapped = new HashMap<>();

    ExternalFiles(Path graph, Arena arena) {
        this.graph = graph;
        this.arena = arena;
    }

    /** Every location that a graph names, in the bodies of its nodes, too. */
    static SortedSet<String> locations(GraphProto graph) {
        SortedSet<String> locations = new TreeSet<>();
        addLocations(graph, locations);
        return locations;
    }

    private static void addLocations(GraphProto graph, SortedSet<String> locations) {
        graph.getInitializerList().forEach(tensor -> addLocation(tensor, locations));
        for (NodeProto node : graph.getNodeList()) {
            for (AttributeProto attribute : node.getAttributeList()) {
                addLocation(attribute.getT(), locations);
                addLocations(attribute.getG(), locations);
                attribute.getGraphsList().forEach(body -> addLocations(body, locations));
            }
        }
    }

    private static void addLocation(TensorProto tensor, SortedSet<String> locations) {
        for (StringStringEntryProto entry : tensor.getExternalDataList()) {
            if (entry.getKey().equals("location")) {
                locations.add(entry.getValue());
            }
        }
    }

    /**
     * @param needed bytes that type and shape ask for
     */
    MemorySegment bytes(FileSpot spot, TensorProto tensor, long needed) throws IOException {
        Map<String, String> fields = new HashMap<>();
        for (StringStringEntryProto entry : tensor.getExternalDataList()) {
            fields.put(entry.getKey(), entry.getValue());
        }
        String location = fields.getOrDefault("location", "");
        long offset = number(spot, fields.getOrDefault("offset", "0"));
        long length = number(spot, fields.getOrDefault("length", Long.toString(needed)));
        if (length != needed) {
            throw new MalformedFileException(
                    spot,
                    "external length %d, type and shape need %d bytes".formatted(length, needed));
        }
        MemorySegment file = mapped.get(location);
        if (file == null) {
            file = map(spot, location);
            mapped.put(location, file);
        }
        if (offset > file.byteSize() - length) {
            throw new MalformedFileException(
                    spot,
                    "external data %s ends at %d, bytes %d to %d are asked of it"
                            .formatted(
                                    FileSpot.quote(location),
                                    file.byteSize(),
                                    offset,
                                    offset + length));
        }
        return file.asSlice(offset, length);
    }

    private static long number(FileSpot spot, String text) throws MalformedFileException {
        try {
            long value = Long.parseLong(text);
            if (value >= 0) {
                return value;
            }
        } catch (NumberFormatException e) {
            // said below
        }
        throw new MalformedFileException(
                spot, "external offset or length %s is no size".formatted(FileSpot.quote(text)));
    }

    private MemorySegment map(FileSpot spot, String location) throws IOException {
        Path file = resolve(spot, location);
        try (var channel = FileChannel.open(file)) {
            return channel.map(MapMode.READ_ONLY, 0, channel.size(), arena);
        }
    }

    private Path resolve(FileSpot spot, String location) throws IOException {
        String problem = "external location %s is not below the graph's folder";
        try {
            Path folder = graph.toAbsolutePath().normalize().getParent();
            Path relative = Path.of(location);
            if (folder == null || location.isEmpty() || relative.isAbsolute()) {
                throw new MalformedFileException(spot, problem.formatted(FileSpot.quote(location)));
            }
            Path file = folder.resolve(relative).normalize();
            if (!file.startsWith(folder)) {
                throw new MalformedFileException(spot, problem.formatted(FileSpot.quote(location)));
            }
            if (!Files.exists(file)) {
                throw new NoSuchFileException(file.toString(), null, "external data of " + graph);
            }
            boolean inside =
                    file.toRealPath().startsWith(folder.toRealPath())
                            // the Hub's cache links graph and data alike into its blobs
                            || Objects.equals(
                                    file.toRealPath().getParent(), graph.toRealPath().getParent());
            if (!inside) {
                throw new MalformedFileException(spot, problem.formatted(FileSpot.quote(location)));
            }
            return file;
        } catch (InvalidPathException e) {
            throw new MalformedFileException(spot, problem.formatted(FileSpot.quote(location)));
        }
    }
}
