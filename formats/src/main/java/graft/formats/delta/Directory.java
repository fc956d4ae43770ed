package graft.formats.delta;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;

import graft.formats.FileSpot;
import graft.formats.LimitExceededException;
import graft.formats.MalformedFileException;
import graft.formats.StrictJson;
import graft.formats.UnsupportedFeatureException;
import graft.formats.io.SegmentInputStream;
import graft.formats.tensor.DType;
import graft.formats.tensor.Shape;
import graft.formats.tensor.TensorInfo;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.zip.Deflater;
import java.util.zip.DeflaterOutputStream;
import java.util.zip.InflaterInputStream;

/**
 * The directory as bytes: JSON, deflated (zlib), since it repeats long names. Per tensor an array
 * {@code [name, dtype, shape, count, index codec, parameter, index bytes, value codec, value bytes,
 * scale]}.
 */
final class Directory {
    private static final int MAX_JSON_BYTES = 100_000_000;
    private static final int FIELDS = 10;

    private static final ObjectMapper JSON = new ObjectMapper();

    private Directory() {}

    static byte[] write(DeltaHeader header) throws IOException {
        ObjectNode root = JSON.createObjectNode();
        root.put("base", header.baseName());
        root.put("base_sha256", header.baseSha256());
        put(root.putObject("options"), header.options());
        root.put("seed", header.seed());
        put(root.putObject("metadata"), header.modelMetadata());
        if (!header.tied().isEmpty()) {
            put(root.putObject("tied"), header.tied());
        }
        ArrayNode tensors = root.putArray("tensors");
        for (SparseTensor tensor : header.tensors()) {
            ArrayNode entry = tensors.addArray();
            entry.add(tensor.info().name()).add(tensor.info().dtype().name());
            ArrayNode shape = entry.addArray();
            Arrays.stream(tensor.info().shape().toArray()).forEach(shape::add);
            entry.add(tensor.count()).add(tensor.index().word()).add(tensor.parameter());
            entry.add(tensor.indexBytes()).add(tensor.values().word()).add(tensor.valueBytes());
            entry.add(tensor.scale());
        }
        var bytes = new ByteArrayOutputStream();
        var deflater = new Deflater(Deflater.BEST_COMPRESSION);
        try (var out = new DeflaterOutputStream(bytes, deflater)) {
            out.write(JSON.writeValueAsBytes(root));
        } finally {
            deflater.end();
        }
        return bytes.toByteArray();
    }

    private static void put(ObjectNode node, Map<String, String> values) {
        new TreeMap<>(values).forEach(node::put);
    }

    static DeltaHeader read(FileSpot spot, MemorySegment bytes) throws IOException {
        byte[] json;
        try (InputStream in = new InflaterInputStream(new SegmentInputStream(bytes))) {
            json = in.readNBytes(MAX_JSON_BYTES + 1);
        } catch (java.io.EOFException | java.util.zip.ZipException e) {
            throw new MalformedFileException(spot, "the directory does not inflate");
        }
        if (json.length > MAX_JSON_BYTES) {
            throw new LimitExceededException(spot, "a directory above 100 MB");
        }
        JsonNode root = StrictJson.read(spot, "the directory is ", json);
        long seed = root.path("seed").asLong();
        if (seed < 0 || seed >= CounterRandom.SEEDS) {
            throw new MalformedFileException(spot, "seed %d outside 0..2^32-1".formatted(seed));
        }
        List<SparseTensor> tensors = new ArrayList<>();
        String previous = "";
        for (JsonNode entry : root.path("tensors")) {
            SparseTensor tensor = tensor(spot, entry);
            if (!tensors.isEmpty() && previous.compareTo(tensor.info().name()) >= 0) {
                throw new MalformedFileException(
                        spot.tensor(tensor.info().name()), "the directory is not in name order");
            }
            previous = tensor.info().name();
            tensors.add(tensor);
        }
        return new DeltaHeader(
                root.path("base").asText(),
                root.path("base_sha256").asText(),
                strings(root.path("options")),
                seed,
                strings(root.path("metadata")),
                tensors,
                strings(root.path("tied")));
    }

    private static SparseTensor tensor(FileSpot spot, JsonNode entry) throws IOException {
        if (!entry.isArray() || entry.size() != FIELDS || !entry.get(2).isArray()) {
            throw new MalformedFileException(spot, "a directory entry is no array of 10");
        }
        String name = entry.get(0).asText();
        var at = spot.tensor(name);
        try {
            long[] shape = new long[entry.get(2).size()];
            for (int i = 0; i < shape.length; i++) {
                shape[i] = entry.get(2).get(i).longValue();
            }
            String dtype = entry.get(1).asText();
            DType type =
                    DType.of(dtype)
                            .orElseThrow(() -> new IllegalArgumentException("dtype " + dtype));
            return new SparseTensor(
                    new TensorInfo(name, type, Shape.of(shape)),
                    entry.get(3).longValue(),
                    index(at, entry.get(4).asText()),
                    entry.get(5).intValue(),
                    entry.get(6).longValue(),
                    values(at, entry.get(7).asText()),
                    entry.get(8).longValue(),
                    entry.get(9).floatValue());
        } catch (IllegalArgumentException | ArithmeticException e) {
            throw new MalformedFileException(
                    at, "its directory entry is impossible: " + e.getMessage());
        }
    }

    private static IndexCodec index(FileSpot at, String word) throws UnsupportedFeatureException {
        return Arrays.stream(IndexCodec.values())
                .filter(codec -> codec.word().equals(word))
                .findFirst()
                .orElseThrow(() -> unknown(at, "index", word));
    }

    private static ValueCodec values(FileSpot at, String word) throws UnsupportedFeatureException {
        return Arrays.stream(ValueCodec.values())
                .filter(codec -> codec.word().equals(word))
                .findFirst()
                .orElseThrow(() -> unknown(at, "value", word));
    }

    private static UnsupportedFeatureException unknown(FileSpot at, String kind, String word) {
        return new UnsupportedFeatureException(
                at,
                "unknown %s codec %s".formatted(kind, FileSpot.quote(word)),
                "use the Graft that made the delta, or a later one");
    }

    private static Map<String, String> strings(JsonNode object) {
        Map<String, String> values = new TreeMap<>();
        object.properties().forEach(p -> values.put(p.getKey(), p.getValue().asText()));
        return values;
    }
}
