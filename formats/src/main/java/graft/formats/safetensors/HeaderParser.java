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
    /** Ten times what the largest models have in all their shards; 300 bytes of heap each. */
    static final int MAX_TENSORS = 1_000_000;

    /** From here on it pays to stop at the first tensor that cannot fit. */
    private static final int MANY_TENSORS = 10_000;

    static final int MAX_AXES = 64;

    private static final int MAX_U64_DIGITS = 20;
    private static final int MAX_WARNINGS = 20;

    private static final JsonFactory JSON =
            JsonFactory.builder()
                    .disable(JsonFactory.Feature.CANONICALIZE_FIELD_NAMES) // nearly all are unique
                    .disable(JsonFactory.Feature.INTERN_FIELD_NAMES)
                    .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
                    .streamReadConstraints(
                            StreamReadConstraints.builder()
                                    .maxNameLength(1 << 20)
                                    .maxStringLength(1 << 24)
                                    .maxNestingDepth(128)
                                    .build())
                    .build();

    private final FileSpot file;
    private final MemorySegment header;
    private final JsonParser json;
    private final long dataBytes;
    private long claimedBytes;
    private boolean isOverclaimed;
    private int warningCount;
    private final List<SafetensorsHeader.Entry> entries = new ArrayList<>();
    private final Map<String, String> metadata = new LinkedHashMap<>();
    private final List<String> warnings = new ArrayList<>();

    /**
     * @param isComplete whether {@code entries} are all; false if they already claim more than the
     *     file has
     */
    record Parsed(
            List<SafetensorsHeader.Entry> entries,
            Map<String, String> metadata,
            List<String> warnings,
            boolean isComplete) {}

    private HeaderParser(String name, MemorySegment header, JsonParser json, long dataBytes) {
        this.file = FileSpot.of(name);
        this.header = header;
        this.json = json;
        this.dataBytes = dataBytes;
    }

    /**
     * @param dataBytes bytes of tensor data that the file has; tensors that claim more end the
     *     reading, however many follow
     */
    static Parsed parse(String name, MemorySegment header, long dataBytes) throws IOException {
        try (Reader reader = utf8(header);
                JsonParser json = JSON.createParser(reader)) {
            var parser = new HeaderParser(name, header, json, dataBytes);
            boolean isComplete = parser.header();
            if (parser.warningCount > MAX_WARNINGS) {
                int more = parser.warningCount - MAX_WARNINGS;
                parser.warnings.add("%s: %d more of the kind".formatted(name, more));
            }
            return new Parsed(parser.entries, parser.metadata, parser.warnings, isComplete);
        } catch (CharacterCodingException e) {
            throw malformed(
                    SafetensorsRule.BAD_UTF8,
                    name,
                    HeaderText.firstBadByte(header),
                    "the header is not valid UTF-8",
                    e);
        } catch (JsonProcessingException e) {
            String problem = e.getOriginalMessage().lines().findFirst().orElse("");
            throw malformed(
                    problem.startsWith("Duplicate field")
                            ? SafetensorsRule.DUPLICATE_KEY
                            : SafetensorsRule.BAD_JSON,
                    name,
                    e.getLocation() == null
                            ? 0
                            : HeaderText.byteOf(header, e.getLocation().getCharOffset()),
                    "the header is not valid JSON: " + problem,
                    e);
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

    private static MalformedFileException malformed(
            SafetensorsRule rule, String name, long headerByte, String problem, Exception cause) {
        var error = new MalformedFileException(rule, spot(FileSpot.of(name), headerByte), problem);
        error.initCause(cause);
        return error;
    }

    private static FileSpot spot(FileSpot file, long headerByte) {
        return file.at(SafetensorsHeader.PREFIX_BYTES + headerByte);
    }

    private boolean header() throws IOException {
        expect(SafetensorsRule.BAD_JSON, json.nextToken(), JsonToken.START_OBJECT, "the header");
        while (json.nextToken() == JsonToken.FIELD_NAME) {
            String name = json.currentName();
            checkSurrogates(name);
            if (name.equals("__metadata__")) {
                metadata();
            } else {
                if (entries.size() == MAX_TENSORS) {
                    throw new LimitExceededException(
                            SafetensorsRule.TOO_MANY_TENSORS,
                            here(),
                            "more than %d tensors".formatted(MAX_TENSORS));
                }
                var entry = tensor(name);
                entries.add(entry);
                isOverclaimed |= entry.info().bytes() > dataBytes - claimedBytes;
                if (isOverclaimed && entries.size() >= MANY_TENSORS) {
                    return false;
                }
                claimedBytes += isOverclaimed ? 0 : entry.info().bytes();
            }
        }
        if (json.nextToken() != null) {
            throw problem(
                    SafetensorsRule.BAD_JSON, null, "something follows the header's JSON object");
        }
        return true;
    }

    /** A file may give a reason in each of its tensors. */
    private void warn(String warning) {
        warningCount++;
        if (warningCount <= MAX_WARNINGS) {
            warnings.add(warning);
        }
    }

    private void metadata() throws IOException {
        if (json.nextToken() == JsonToken.VALUE_NULL) {
            warn(file + ": __metadata__ is null");
            return;
        }
        expect(
                SafetensorsRule.BAD_METADATA,
                json.currentToken(),
                JsonToken.START_OBJECT,
                "__metadata__");
        while (json.nextToken() == JsonToken.FIELD_NAME) {
            String key = json.currentName();
            expect(
                    SafetensorsRule.BAD_METADATA,
                    json.nextToken(),
                    JsonToken.VALUE_STRING,
                    "__metadata__ value of " + FileSpot.quote(key));
            checkSurrogates(key);
            checkSurrogates(json.getText());
            metadata.put(key, json.getText());
        }
    }

    private SafetensorsHeader.Entry tensor(String name) throws IOException {
        if (json.nextToken() == JsonToken.START_ARRAY) {
            throw problem(
                    SafetensorsRule.ARRAY_FORM,
                    name,
                    "is given as an array, which readers understand differently");
        }
        expectInTensor(name, JsonToken.START_OBJECT, "its description");
        if (name.isEmpty()) {
            warn(file + ": a tensor without a name");
        }
        @Nullable String dtype = null;
        long @Nullable [] shape = null;
        long @Nullable [] offsets = null;
        while (json.nextToken() == JsonToken.FIELD_NAME) {
            String field = json.currentName();
            json.nextToken();
            switch (field) {
                case "dtype" -> {
                    expectInTensor(name, JsonToken.VALUE_STRING, "dtype");
                    dtype = json.getText();
                }
                case "shape" -> shape = integers(name, "shape", MAX_AXES);
                case "data_offsets" -> offsets = integers(name, "data_offsets", 2);
                default -> {
                    json.skipChildren();
                    warn(file.tensor(name) + ": unknown field " + FileSpot.quote(field));
                }
            }
        }
        if (dtype == null || shape == null || offsets == null) {
            String missing = dtype == null ? "dtype" : shape == null ? "shape" : "data_offsets";
            throw problem(SafetensorsRule.BAD_TENSOR, name, "has no " + missing);
        }
        if (offsets.length != 2 || offsets[1] < offsets[0]) {
            throw problem(
                    offsets.length == 2 ? SafetensorsRule.BAD_OFFSET : SafetensorsRule.BAD_TENSOR,
                    name,
                    "data_offsets are not [begin, end]: " + Arrays.toString(offsets));
        }
        return entry(name, dtype, shape, offsets);
    }

    private SafetensorsHeader.Entry entry(String name, String dtype, long[] shape, long[] offsets)
            throws IOException {
        TensorInfo info;
        try {
            info = new TensorInfo(name, type(name, dtype), Shape.of(shape));
        } catch (ArithmeticException e) {
            throw problem(
                    SafetensorsRule.OVERFLOW,
                    name,
                    "shape %s overflows".formatted(Arrays.toString(shape)));
        } catch (IllegalArgumentException e) {
            throw problem(
                    SafetensorsRule.MISALIGNED_SUBBYTE,
                    name,
                    "shape %s does not fill whole bytes at %s"
                            .formatted(Arrays.toString(shape), dtype));
        }
        if (info.bytes() != offsets[1] - offsets[0]) {
            throw problem(
                    SafetensorsRule.SIZE_MISMATCH,
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
                                SafetensorsRule.UNKNOWN_DTYPE,
                                here().tensor(name),
                                "unknown dtype " + FileSpot.quote(dtype),
                                "use a Graft that knows this type, or convert the tensor"));
    }

    private long[] integers(String tensor, String field, int most) throws IOException {
        expectInTensor(tensor, JsonToken.START_ARRAY, field);
        long[] values = new long[4];
        int count = 0;
        while (json.nextToken() != JsonToken.END_ARRAY) {
            if (json.currentToken() != JsonToken.VALUE_NUMBER_INT
                    || json.getText().startsWith("-")
                    || json.getNumberType() == JsonParser.NumberType.BIG_INTEGER) {
                throw problem(
                        notAnInteger(field),
                        tensor,
                        "%s holds %s, not an integer from 0 to 2^63-1"
                                .formatted(field, FileSpot.quote(json.getText())));
            }
            if (count == most) {
                throw problem(
                        SafetensorsRule.BAD_TENSOR,
                        tensor,
                        "%s has more than %d numbers".formatted(field, most));
            }
            if (count == values.length) {
                values = Arrays.copyOf(values, 2 * count);
            }
            values[count++] = json.getLongValue();
        }
        return Arrays.copyOf(values, count);
    }

    /** An integer above 2^63-1 is one to the crate, which finds the sizes too large later. */
    private SafetensorsRule notAnInteger(String field) throws IOException {
        boolean isU64 =
                json.currentToken() == JsonToken.VALUE_NUMBER_INT
                        && json.getTextLength() <= MAX_U64_DIGITS
                        && json.getBigIntegerValue().signum() > 0
                        && json.getBigIntegerValue().bitLength() == Long.SIZE;
        if (!isU64) {
            return SafetensorsRule.BAD_TENSOR;
        }
        return field.equals("shape") ? SafetensorsRule.OVERFLOW : SafetensorsRule.BAD_OFFSET;
    }

    private void expect(
            SafetensorsRule rule, @Nullable JsonToken actual, JsonToken wanted, String what)
            throws MalformedFileException {
        if (actual != wanted) {
            throw problem(rule, null, mismatch(what, actual, wanted));
        }
    }

    private void expectInTensor(String tensor, JsonToken wanted, String what)
            throws MalformedFileException {
        if (json.currentToken() != wanted) {
            throw problem(
                    SafetensorsRule.BAD_TENSOR,
                    tensor,
                    mismatch(what, json.currentToken(), wanted));
        }
    }

    private static String mismatch(String what, @Nullable JsonToken actual, JsonToken wanted) {
        return "%s is %s, not %s".formatted(what, words(actual), words(wanted));
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
            throw problem(
                    SafetensorsRule.BAD_JSON, null, "a lone surrogate in " + FileSpot.quote(text));
        }
    }

    /** The token that was read last. */
    private FileSpot here() {
        return spot(file, HeaderText.byteOf(header, json.currentTokenLocation().getCharOffset()));
    }

    private MalformedFileException problem(
            SafetensorsRule rule, @Nullable String tensor, String problem) {
        FileSpot spot = tensor == null ? here() : here().tensor(tensor);
        return new MalformedFileException(rule, spot, problem);
    }
}
