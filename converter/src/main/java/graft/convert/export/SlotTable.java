package graft.convert.export;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;

import graft.formats.FileSpot;
import graft.formats.MalformedFileException;
import graft.formats.onnx.ExternalDataWriter;
import graft.formats.onnx.OnnxModel;
import graft.formats.onnx.proto.TensorShapeProto;
import graft.formats.onnx.proto.ValueInfoProto;
import graft.formats.tensor.DType;
import graft.formats.tensor.Shape;

import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;

/**
 * All slots of a graph. They stand in the graph's metadata, for ONNX Runtime's Java interface lists
 * no optional inputs; of a graph that another tool made they are read from its inputs.
 */
record SlotTable(List<Slot> slots) {
    /** Key in the graph's metadata. */
    static final String METADATA = "graft.slots";

    private static final ObjectMapper JSON = new ObjectMapper();

    SlotTable {
        slots = slots.stream().sorted(Comparator.comparing(Slot::a)).toList();
    }

    /** The graph's slots; empty if it has none. */
    static Optional<SlotTable> of(OnnxModel graph) throws IOException {
        String metadata = graph.metadata().get(METADATA);
        SlotTable table = metadata == null ? ofInputs(graph) : parse(graph.name(), metadata);
        return table.slots().isEmpty() ? Optional.empty() : Optional.of(table);
    }

    private static SlotTable ofInputs(OnnxModel graph) throws IOException {
        Map<String, ValueInfoProto> a = new TreeMap<>();
        Map<String, ValueInfoProto> b = new TreeMap<>();
        Set<String> embeddings = new HashSet<>();
        for (ValueInfoProto input : graph.proto().getGraph().getInputList()) {
            SlotNames.parse(input.getName())
                    .ifPresent(name -> {
                        (name.factor() == SlotNames.Factor.A ? a : b).put(name.module(), input);
                        if (name.gathers()) {
                            embeddings.add(name.module());
                        }
                    });
        }
        List<Slot> slots = new ArrayList<>();
        for (Map.Entry<String, ValueInfoProto> entry : a.entrySet()) {
            ValueInfoProto right = b.get(entry.getKey());
            if (right != null) {
                boolean gathers = embeddings.contains(entry.getKey());
                slots.add(slot(graph, entry.getKey(), entry.getValue(), right, gathers));
            }
        }
        return new SlotTable(slots);
    }

    private static Slot slot(
            OnnxModel graph, String module, ValueInfoProto a, ValueInfoProto b, boolean gathers)
            throws IOException {
        TensorShapeProto left = a.getType().getTensorType().getShape();
        TensorShapeProto right = b.getType().getTensorType().getShape();
        Optional<DType> type = ExternalDataWriter.type(a.getType().getTensorType().getElemType());
        if (left.getDimCount() < 2 || right.getDimCount() != 2 || type.isEmpty()) {
            throw new MalformedFileException(
                    FileSpot.of(graph.file()).tensor(a.getName()),
                    "is no adapter input of two axes and a float type");
        }
        int last = left.getDimCount() - 1;
        long rank = left.getDim(last).getDimValue();
        long[] read = new long[last];
        for (int axis = 0; axis < last; axis++) {
            read[axis] = left.getDim(axis).getDimValue();
        }
        return new Slot(
                module,
                last > 1 ? Slot.Kind.convolution : gathers ? Slot.Kind.embedding : Slot.Kind.linear,
                a.getName(),
                b.getName(),
                Shape.of(read),
                right.getDim(1).getDimValue(),
                type.get(),
                rank > 0 ? rank : Slot.ANY_RANK);
    }

    private static SlotTable parse(String graph, String text) throws MalformedFileException {
        try {
            List<Slot> slots = new ArrayList<>();
            for (JsonNode node : JSON.readTree(text)) {
                slots.add(
                        new Slot(
                                node.path("module").asText(),
                                Slot.Kind.valueOf(node.path("kind").asText()),
                                node.path("a").asText(),
                                node.path("b").asText(),
                                read(node),
                                node.path("out").asLong(),
                                DType.valueOf(node.path("type").asText()),
                                Slot.ANY_RANK));
            }
            return new SlotTable(slots);
        } catch (JsonProcessingException | IllegalArgumentException | ArithmeticException e) {
            throw new MalformedFileException(
                    FileSpot.of(graph), "its metadata " + METADATA + " is no list of slots");
        }
    }

    private static Shape read(JsonNode slot) {
        JsonNode kernel = slot.path("kernel"); // of a convolution
        if (kernel.isEmpty()) {
            return Shape.of(slot.path("in").asLong());
        }
        long[] extents = new long[kernel.size()];
        for (int axis = 0; axis < extents.length; axis++) {
            extents[axis] = kernel.get(axis).asLong();
        }
        return Shape.of(extents);
    }

    /** The list as it stands in the metadata. */
    String toJson() {
        ArrayNode list = JSON.createArrayNode();
        for (Slot slot : slots) {
            ObjectNode one =
                    list.addObject()
                            .put("module", slot.module())
                            .put("kind", slot.kind().name())
                            .put("a", slot.a())
                            .put("b", slot.b())
                            .put("in", slot.in())
                            .put("out", slot.out())
                            .put("type", slot.type().name());
            if (slot.read().rank() > 1) {
                ArrayNode kernel = one.putArray("kernel");
                Arrays.stream(slot.read().toArray()).forEach(kernel::add);
            }
        }
        return list.toString();
    }

    /** The slot of a module: by its name in any profile's spelling, or the only one alike. */
    Optional<Slot> find(String module) {
        String key = SlotNames.key(module);
        List<Slot> factors =
                slots.stream().filter(slot -> slot.kind() != Slot.Kind.sparse).toList();
        List<Slot> exact =
                factors.stream().filter(slot -> SlotNames.key(slot.module()).equals(key)).toList();
        List<Slot> found =
                exact.isEmpty()
                        ? factors.stream()
                                .filter(s -> GraphNames.same(SlotNames.key(s.module()), key))
                                .toList()
                        : exact;
        return found.size() == 1 ? Optional.of(found.getFirst()) : Optional.empty();
    }
}
