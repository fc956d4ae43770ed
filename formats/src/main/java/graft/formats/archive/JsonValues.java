package graft.formats.archive;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.core.StreamReadConstraints;
import com.fasterxml.jackson.core.StreamReadFeature;

import graft.formats.FileSpot;
import graft.formats.MalformedFileException;

import java.io.CharConversionException;
import java.io.IOException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** JSON as maps, lists, strings and integers; nothing else is in a manifest. */
final class JsonValues {
    private static final int DEEPEST = 8;
    private static final JsonFactory JSON =
            JsonFactory.builder()
                    .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
                    .streamReadConstraints(
                            StreamReadConstraints.builder()
                                    .maxStringLength(ManifestReader.MAX_BYTES)
                                    .maxNestingDepth(DEEPEST)
                                    .build())
                    .build();

    private final FileSpot spot;

    JsonValues(FileSpot spot) {
        this.spot = spot;
    }

    Map<?, ?> document(byte[] bytes) throws IOException {
        try (JsonParser json = JSON.createParser(bytes)) {
            json.nextToken();
            Object value = value(json);
            if (json.nextToken() != null) {
                throw problem("something follows the manifest's object");
            }
            return map(value, "the manifest");
        } catch (JsonProcessingException e) {
            throw problem("the manifest is no JSON: " + e.getOriginalMessage());
        } catch (CharConversionException e) {
            throw problem("the manifest is no UTF-32: " + e.getMessage());
        }
    }

    private Object value(JsonParser json) throws IOException {
        return switch (json.currentToken()) {
            case START_OBJECT -> {
                Map<String, Object> map = new LinkedHashMap<>();
                while (json.nextToken() == JsonToken.FIELD_NAME) {
                    String name = json.currentName();
                    json.nextToken();
                    map.put(name, value(json));
                }
                yield map;
            }
            case START_ARRAY -> {
                List<Object> list = new ArrayList<>();
                while (json.nextToken() != JsonToken.END_ARRAY) {
                    list.add(value(json));
                }
                yield list;
            }
            case VALUE_STRING -> json.getText();
            case VALUE_NUMBER_INT -> json.getLongValue();
            case null, default -> throw problem("the manifest holds " + json.currentToken());
        };
    }

    Map<?, ?> map(Object value, String what) throws MalformedFileException {
        if (value instanceof Map<?, ?> map) {
            return map;
        }
        throw problem(what + " is no object");
    }

    List<?> list(Map<?, ?> from, String name) throws MalformedFileException {
        if (from.get(name) instanceof List<?> list) {
            return list;
        }
        throw problem("has no list " + name);
    }

    String text(Map<?, ?> from, String name) throws MalformedFileException {
        if (from.get(name) instanceof String text) {
            return text;
        }
        throw problem("has no text " + name);
    }

    /** An integer from 0. */
    long number(Object value, String what) throws MalformedFileException {
        if (value instanceof Long number && number >= 0) {
            return number;
        }
        throw problem(what + " is no integer from 0");
    }

    long number(Map<?, ?> from, String name) throws MalformedFileException {
        Object value = from.get(name);
        if (value == null) {
            throw problem("has no number " + name);
        }
        return number(value, name);
    }

    MalformedFileException problem(String problem) {
        return new MalformedFileException(spot, problem);
    }
}
