package graft.convert.sparsify;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;

import graft.formats.delta.IndexCodec;
import graft.formats.delta.SparseTensor;
import graft.formats.delta.ValueCodec;
import graft.formats.tensor.TensorInfo;

import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;

/**
 * One tensor as it lies in its part.
 *
 * @param sparse its entry of the directory
 * @param figures what was kept and lost, for the ledger
 */
record CodedTensor(SparseTensor sparse, Map<String, Number> figures) {
    private static final ObjectMapper JSON = new ObjectMapper();

    /** For the journal. */
    JsonNode toJson() {
        ObjectNode node = JSON.createObjectNode();
        node.put("count", sparse.count());
        node.put("index", sparse.index().name()).put("parameter", sparse.parameter());
        node.put("indexBytes", sparse.indexBytes()).put("values", sparse.values().name());
        node.put("valueBytes", sparse.valueBytes()).put("scale", sparse.scale());
        ObjectNode numbers = node.putObject("figures");
        new TreeMap<>(figures)
                .forEach((name, value) -> {
                    if (value instanceof Long whole) {
                        numbers.put(name, whole);
                    } else {
                        numbers.put(name, value.doubleValue());
                    }
                });
        return node;
    }

    /** From the journal; empty if it does not describe {@code info}. */
    static Optional<CodedTensor> fromJson(TensorInfo info, JsonNode node) {
        try {
            Map<String, Number> figures = new TreeMap<>();
            node.path("figures")
                    .properties()
                    .forEach(p -> figures.put(p.getKey(), number(p.getValue())));
            var sparse =
                    new SparseTensor(
                            info,
                            node.path("count").longValue(),
                            IndexCodec.valueOf(node.path("index").asText()),
                            node.path("parameter").intValue(),
                            node.path("indexBytes").longValue(),
                            ValueCodec.valueOf(node.path("values").asText()),
                            node.path("valueBytes").longValue(),
                            node.path("scale").floatValue());
            return Optional.of(new CodedTensor(sparse, figures));
        } catch (IllegalArgumentException e) {
            return Optional.empty();
        }
    }

    private static Number number(JsonNode value) {
        return value.isIntegralNumber() ? (Number) value.longValue() : value.doubleValue();
    }
}
