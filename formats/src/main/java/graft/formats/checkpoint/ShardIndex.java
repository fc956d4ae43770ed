package graft.formats.checkpoint;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.core.StreamReadConstraints;
import com.fasterxml.jackson.core.StreamReadFeature;

import graft.formats.FileSpot;
import graft.formats.LimitExceededException;
import graft.formats.MalformedFileException;

import org.jspecify.annotations.Nullable;

import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.Reader;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;
import java.util.OptionalLong;
import java.util.SequencedSet;
import java.util.TreeSet;

/**
 * {@code model.safetensors.index.json} and its like: which shard holds which tensor.
 *
 * @param file where it was read from
 * @param weightMap shard file name by tensor name; every shard name is a plain name of the same
 *     folder with an ending of its format
 * @param totalSize {@code metadata.total_size}, tensor bytes of all shards, if it is an integer
 *     (older writers stored a float)
 */
record ShardIndex(Path file, Map<String, String> weightMap, OptionalLong totalSize) {
    private static final long MAX_BYTES = 100_000_000;

    private static final JsonFactory JSON =
            JsonFactory.builder()
                    .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
                    .streamReadConstraints(
                            StreamReadConstraints.builder()
                                    .maxNameLength((int) MAX_BYTES)
                                    .maxNestingDepth(32)
                                    .build())
                    .build();

    static ShardIndex read(Path file, WeightsKind kind) throws IOException {
        if (Files.size(file) > MAX_BYTES) {
            throw new LimitExceededException(
                    IndexRule.TOO_LARGE,
                    FileSpot.of(file),
                    "an index of %d bytes".formatted(Files.size(file)));
        }
        return parse(file, Files.newInputStream(file), kind);
    }

    /** Reads and closes {@code bytes}, which errors call {@code file}. */
    static ShardIndex parse(Path file, InputStream bytes, WeightsKind kind) throws IOException {
        try (Reader text = new InputStreamReader(bytes, StandardCharsets.UTF_8.newDecoder());
                JsonParser json = JSON.createParser(text)) {
            return new Parser(file, kind, json).index();
        } catch (CharacterCodingException e) {
            throw problem(IndexRule.BAD_INDEX, file, "not valid UTF-8");
        } catch (JsonProcessingException e) {
            String problem = e.getOriginalMessage().lines().findFirst().orElse("");
            throw problem(
                    problem.startsWith("Duplicate field")
                            ? IndexRule.DUPLICATE_KEY
                            : IndexRule.BAD_INDEX,
                    file,
                    "not valid JSON: " + problem);
        }
    }

    /** The shards, each once, in name order. */
    SequencedSet<String> shards() {
        return new TreeSet<>(weightMap.values());
    }

    private record Parser(Path file, WeightsKind kind, JsonParser json) {
        ShardIndex index() throws IOException {
            expect(json.nextToken(), JsonToken.START_OBJECT, "the index is not an object");
            Map<String, String> weightMap = new LinkedHashMap<>();
            var totalSize = OptionalLong.empty();
            boolean hasMap = false;
            while (json.nextToken() == JsonToken.FIELD_NAME) {
                String field = json.currentName();
                json.nextToken();
                switch (field) {
                    case "weight_map" -> {
                        weightMap(weightMap);
                        hasMap = true;
                    }
                    case "metadata" -> totalSize = totalSize();
                    default -> json.skipChildren();
                }
            }
            if (!hasMap) {
                throw problem("no weight_map");
            }
            if (json.nextToken() != null) {
                throw problem("something follows the JSON object");
            }
            return new ShardIndex(file, weightMap, totalSize);
        }

        private void weightMap(Map<String, String> into) throws IOException {
            expect(json.currentToken(), JsonToken.START_OBJECT, "weight_map is not an object");
            while (json.nextToken() == JsonToken.FIELD_NAME) {
                String tensor = json.currentName();
                expect(
                        json.nextToken(),
                        JsonToken.VALUE_STRING,
                        "the shard of %s is not a string".formatted(FileSpot.quote(tensor)));
                into.put(tensor, shardName(json.getText()));
            }
        }

        /** A name from the network becomes a path: it may only name a sibling. */
        private String shardName(String shard) throws MalformedFileException {
            boolean plain =
                    kind.isNamed(shard)
                            && !shard.startsWith(".")
                            && shard.chars()
                                    .noneMatch(c -> c == '/' || c == '\\' || c == ':' || c < ' ')
                            && isPath(shard);
            if (!plain) {
                throw ShardIndex.problem(
                        IndexRule.UNSAFE_PATH,
                        file,
                        "shard name %s is not the plain name of a %s file"
                                .formatted(
                                        FileSpot.quote(shard),
                                        kind.name().toLowerCase(Locale.ROOT)));
            }
            return shard;
        }

        /**
         * Not every string is a path: half a character, or one that the locale has no bytes for.
         */
        private boolean isPath(String shard) {
            try {
                return file.resolveSibling(shard).endsWith(shard);
            } catch (InvalidPathException e) {
                return false;
            }
        }

        private OptionalLong totalSize() throws IOException {
            var size = OptionalLong.empty();
            if (json.currentToken() != JsonToken.START_OBJECT) {
                json.skipChildren();
                return size;
            }
            while (json.nextToken() == JsonToken.FIELD_NAME) {
                boolean isTotal = json.currentName().equals("total_size");
                if (json.nextToken() == JsonToken.VALUE_NUMBER_INT
                        && isTotal
                        && json.getNumberType() != JsonParser.NumberType.BIG_INTEGER) {
                    size = OptionalLong.of(json.getLongValue());
                }
                json.skipChildren();
            }
            return size;
        }

        private void expect(@Nullable JsonToken actual, JsonToken wanted, String problem)
                throws MalformedFileException {
            if (actual != wanted) {
                throw problem(problem);
            }
        }

        private MalformedFileException problem(String problem) {
            return ShardIndex.problem(IndexRule.BAD_INDEX, file, problem);
        }
    }

    private static MalformedFileException problem(IndexRule rule, Path file, String problem) {
        return new MalformedFileException(rule, FileSpot.of(file), problem);
    }
}
