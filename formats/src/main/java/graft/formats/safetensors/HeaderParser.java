package graft.formats.safetensors;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.core.StreamReadConstraints;
import com.fasterxml.jackson.core.StreamReadFeature;

import graft.formats.FileSpot;
import graft.formats.LimitExceededException;
import graft.formats.MalformedFileException;
import graft.formats.UnsupportedFeatureException;
import graft.formats.io.SegmentInputStream;
import graft.formats.tensor.DType;
import graft.formats.tensor.Shape;
import graft.formats.tensor.TensorInfo;

import org.jspecify.annotations.Nullable;

import java.io.IOException;
import java.io.InputStreamReader;
import java.io.Reader;
import java.lang.foreign.MemorySegment;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.CodingErrorAction;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Walks the header's JSON token by token: nothing is coerced, every number is a plain non-negative
 * integer.
 *
 * <p>Reads characters through a strict UTF-8 decoder, because Jackson's own byte reader repairs
 * some bad UTF-8, skips a byte order mark and guesses UTF-16.
 */
final class HeaderParser {
    /** A tensor needs some 50 bytes of header; above this the maps cost more than the header. */
    static final int MAX_TENSORS = 2_000_000;

    static final int MAX_AXES = 64;

    private static final JsonFactory JSON =
            JsonFactory.builder()
                    .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
                    .streamReadConstraints(
                            StreamReadConstraints.builder()
                                    .maxNameLength((int) SafetensorsHeader.MAX_BYTES)
                                    .maxStringLength((int) SafetensorsHeader.MAX_BYTES)
                                    .maxNestingDepth(128)
                                    .build())
                    .build();

    private final FileSpot file;
    private final JsonParser json;
    private final List<SafetensorsHeader.Entry> entries = new ArrayList<>();
    private final Map<String, String> metadata = new LinkedHashMap<>();
    private final List<String> warnings = new ArrayList<>();

    record Parsed(
            List<SafetensorsHeader.Entry> entries,
            Map<String, String> metadata,
            List<String> warnings) {}

    private HeaderParser(String name, JsonParser json) {
        this.file = FileSpot.of(name);
        this.json = json;
    }

    static Parsed parse(String name, MemorySegment header) throws IOException {
        try (Reader reader = utf8(header);
                JsonParser json = JSON.createParser(reader)) {
            var parser = new HeaderParser(name, json);
            parser.header();
            return new Parsed(parser.entries, parser.metadata, parser.warnings);
        } catch (CharacterCodingException e) {
            throw malformed(name, "the header is not valid UTF-8", e);
        } catch (JsonProcessingException e) {
            throw malformed(name, "the header is not valid JSON: " + e.getOriginalMessage(), e);
        }
    }

    private static Reader utf8(MemorySegment header) {
        return new InputStreamReader(
                new SegmentInputStream(header),
                StandardCharsets.UTF_8
                        .newDecoder()
                        .onMalformedInput(CodingErrorAction.REPORT)
                        .onUnmappableCharacter(CodingErrorAction.REPORT));
    }

    private static MalformedFileException malformed(String name, String problem, Exception cause) {
        String oneLine = problem.lines().findFirst().orElse(problem);
        var error =
                new MalformedFileException(
                        FileSpot.of(name, SafetensorsHeader.PREFIX_BYTES), oneLine);
        error.initCause(cause);
        return error;
    }

    private void header() throws IOException {
        expect(json.nextToken(), JsonToken.START_OBJECT, "the header", null);
        while (json.nextToken() == JsonToken.FIELD_NAME) {
            String name = json.currentName();
            checkSurrogates(name);
            if (name.equals("__metadata__")) {
                metadata();
            } else {
                if (entries.size() == MAX_TENSORS) {
                    throw new LimitExceededException(
                            file, "more than %d tensors".formatted(MAX_TENSORS));
                }
                entries.add(tensor(name));
            }
        }
        if (json.nextToken() != null) {
            throw problem(null, "something follows the header's JSON object");
        }
    }

    private void metadata() throws IOException {
        if (json.nextToken() == JsonToken.VALUE_NULL) {
            return;
        }
        expect(json.currentToken(), JsonToken.START_OBJECT, "__metadata__", null);
        while (json.nextToken() == JsonToken.FIELD_NAME) {
            String key = json.currentName();
            expect(
                    json.nextToken(),
                    JsonToken.VALUE_STRING,
                    "__metadata__ value of '" + key + "'",
                    null);
            checkSurrogates(key);
            checkSurrogates(json.getText());
            metadata.put(key, json.getText());
        }
    }

    private SafetensorsHeader.Entry tensor(String name) throws IOException {
        expect(json.nextToken(), JsonToken.START_OBJECT, "its description", name);
        @Nullable String dtype = null;
        long @Nullable [] shape = null;
        long @Nullable [] offsets = null;
        while (json.nextToken() == JsonToken.FIELD_NAME) {
            String field = json.currentName();
            json.nextToken();
            switch (field) {
                case "dtype" -> {
                    expect(json.currentToken(), JsonToken.VALUE_STRING, "dtype", name);
                    dtype = json.getText();
                }
                case "shape" -> shape = integers(name, "shape", MAX_AXES);
                case "data_offsets" -> offsets = integers(name, "data_offsets", 2);
                default -> {
                    json.skipChildren();
                    warnings.add(file.tensor(name) + ": unknown field " + FileSpot.quote(field));
                }
            }
        }
        if (dtype == null || shape == null || offsets == null) {
            String missing = dtype == null ? "dtype" : shape == null ? "shape" : "data_offsets";
            throw problem(name, "has no " + missing);
        }
        if (offsets.length != 2 || offsets[1] < offsets[0]) {
            throw problem(name, "data_offsets are not [begin, end]: " + Arrays.toString(offsets));
        }
        return entry(name, dtype, shape, offsets);
    }

    private SafetensorsHeader.Entry entry(String name, String dtype, long[] shape, long[] offsets)
            throws IOException {
        TensorInfo info;
        try {
            info = new TensorInfo(name, type(name, dtype), Shape.of(shape));
        } catch (ArithmeticException e) {
            throw problem(name, "shape %s overflows".formatted(Arrays.toString(shape)));
        } catch (IllegalArgumentException e) {
            throw problem(name, "shape does not fill whole bytes at " + dtype);
        }
        if (info.bytes() != offsets[1] - offsets[0]) {
            throw problem(
                    name,
                    "shape %s of %s needs %d bytes, data_offsets give %d"
                            .formatted(info.shape(), dtype, info.bytes(), offsets[1] - offsets[0]));
        }
        return new SafetensorsHeader.Entry(info, offsets[0], offsets[1]);
    }

    private DType type(String name, String dtype) throws UnsupportedFeatureException {
        return DType.of(dtype)
                .orElseThrow(() ->
                        new UnsupportedFeatureException(
                                file.tensor(name),
                                "unknown dtype " + FileSpot.quote(dtype),
                                "use a Graft that knows this type, or convert the tensor"));
    }

    private long[] integers(String tensor, String field, int most) throws IOException {
        expect(json.currentToken(), JsonToken.START_ARRAY, field, tensor);
        long[] values = new long[4];
        int count = 0;
        while (json.nextToken() != JsonToken.END_ARRAY) {
            if (json.currentToken() != JsonToken.VALUE_NUMBER_INT
                    || json.getText().startsWith("-")
                    || json.getNumberType() == JsonParser.NumberType.BIG_INTEGER) {
                throw problem(
                        tensor,
                        "%s holds %s, not an integer from 0 to 2^63-1"
                                .formatted(field, FileSpot.quote(json.getText())));
            }
            if (count == most) {
                throw problem(tensor, "%s has more than %d numbers".formatted(field, most));
            }
            if (count == values.length) {
                values = Arrays.copyOf(values, 2 * count);
            }
            values[count++] = json.getLongValue();
        }
        return Arrays.copyOf(values, count);
    }

    private void expect(
            @Nullable JsonToken actual, JsonToken wanted, String what, @Nullable String tensor)
            throws MalformedFileException {
        if (actual != wanted) {
            throw problem(tensor, "%s is %s, not %s".formatted(what, words(actual), words(wanted)));
        }
    }

    private static String words(@Nullable JsonToken token) {
        return switch (token) {
            case null -> "missing";
            case START_OBJECT -> "an object";
            case START_ARRAY -> "an array";
            case VALUE_STRING -> "a string";
            case VALUE_NUMBER_INT, VALUE_NUMBER_FLOAT -> "a number";
            default -> token.asString() == null ? token.name() : token.asString();
        };
    }

    /** An escape may spell half a character, which no UTF-8 file can hold. */
    private void checkSurrogates(String text) throws MalformedFileException {
        if (!StandardCharsets.UTF_8.newEncoder().canEncode(text)) {
            throw problem(null, "a lone surrogate in " + FileSpot.quote(text));
        }
    }

    private MalformedFileException problem(@Nullable String tensor, String problem) {
        return new MalformedFileException(tensor == null ? file : file.tensor(tensor), problem);
    }
}
