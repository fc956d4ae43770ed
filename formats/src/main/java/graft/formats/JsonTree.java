package graft.formats;

import com.fasterxml.jackson.core.JsonGenerator;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.MissingNode;
import com.fasterxml.jackson.databind.node.ObjectNode;

import java.io.IOException;
import java.util.Map;
import java.util.TreeMap;

/**
 * Trees from a parser and into a generator, as an {@code ObjectMapper} reads and writes them; but
 * setting up a mapper takes 40 ms, which is much of a short run.
 */
public final class JsonTree {
    private static final JsonNodeFactory NODES = JsonNodeFactory.instance;

    private JsonTree() {}

    /**
     * The next value; what follows it is not looked at. Depth is bounded by the parser's
     * constraints.
     *
     * @return a {@link MissingNode} if there is none
     * @throws com.fasterxml.jackson.core.JsonProcessingException if it is no JSON
     */
    public static JsonNode read(JsonParser in) throws IOException {
        JsonToken token = in.nextToken();
        return token == null ? MissingNode.getInstance() : value(in, token);
    }

    private static JsonNode value(JsonParser in, JsonToken token) throws IOException {
        return switch (token) {
            case START_OBJECT -> object(in);
            case START_ARRAY -> array(in);
            case VALUE_STRING -> NODES.textNode(in.getText());
            case VALUE_TRUE, VALUE_FALSE -> NODES.booleanNode(token == JsonToken.VALUE_TRUE);
            case VALUE_NULL -> NODES.nullNode();
            case VALUE_NUMBER_FLOAT -> NODES.numberNode(in.getDoubleValue());
            case VALUE_NUMBER_INT ->
                    switch (in.getNumberType()) {
                        case INT -> NODES.numberNode(in.getIntValue());
                        case LONG -> NODES.numberNode(in.getLongValue());
                        default -> NODES.numberNode(in.getBigIntegerValue());
                    };
            default -> throw new IllegalStateException("no value begins with " + token);
        };
    }

    private static ObjectNode object(JsonParser in) throws IOException {
        ObjectNode object = NODES.objectNode();
        for (String name = in.nextFieldName(); name != null; name = in.nextFieldName()) {
            object.set(name, value(in, in.nextToken()));
        }
        return object;
    }

    private static ArrayNode array(JsonParser in) throws IOException {
        ArrayNode array = NODES.arrayNode();
        for (JsonToken token = in.nextToken();
                token != JsonToken.END_ARRAY;
                token = in.nextToken()) {
            array.add(value(in, token));
        }
        return array;
    }

    /** Writes a tree, names of objects in alphabetical order. */
    public static void writeSorted(JsonGenerator out, JsonNode tree) throws IOException {
        switch (tree) {
            case ObjectNode object -> {
                Map<String, JsonNode> sorted = new TreeMap<>();
                object.properties().forEach(each -> sorted.put(each.getKey(), each.getValue()));
                out.writeStartObject();
                for (Map.Entry<String, JsonNode> each : sorted.entrySet()) {
                    out.writeFieldName(each.getKey());
                    writeSorted(out, each.getValue());
                }
                out.writeEndObject();
            }
            case ArrayNode array -> {
                out.writeStartArray();
                for (JsonNode element : array) {
                    writeSorted(out, element);
                }
                out.writeEndArray();
            }
            default -> value(out, tree);
        }
    }

    private static void value(JsonGenerator out, JsonNode value) throws IOException {
        switch (value.getNodeType()) {
            case STRING -> out.writeString(value.textValue());
            case BOOLEAN -> out.writeBoolean(value.booleanValue());
            case NUMBER -> number(out, value);
            default -> out.writeNull();
        }
    }

    private static void number(JsonGenerator out, JsonNode value) throws IOException {
        switch (value.numberType()) {
            case INT -> out.writeNumber(value.intValue());
            case LONG -> out.writeNumber(value.longValue());
            case BIG_INTEGER -> out.writeNumber(value.bigIntegerValue());
            case BIG_DECIMAL -> out.writeNumber(value.decimalValue());
            case FLOAT -> out.writeNumber(value.floatValue());
            case DOUBLE -> out.writeNumber(value.doubleValue());
        }
    }
}
