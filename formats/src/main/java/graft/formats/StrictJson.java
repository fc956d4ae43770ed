package graft.formats;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.StreamReadFeature;
import com.fasterxml.jackson.databind.JsonNode;

import java.io.CharConversionException;
import java.io.IOException;

/** Small JSON documents of strangers. */
public final class StrictJson {
    private static final JsonFactory JSON =
            JsonFactory.builder().enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION).build();

    private StrictJson() {}

    /**
     * Reads a document whose objects have no key twice.
     *
     * @param subject what an error's message begins with, such as {@code "the directory is "}
     * @throws MalformedFileException if it is no JSON
     */
    public static JsonNode read(FileSpot spot, String subject, byte[] bytes) throws IOException {
        try (JsonParser in = JSON.createParser(bytes)) {
            return JsonTree.read(in);
        } catch (JsonProcessingException e) {
            throw new MalformedFileException(
                    spot, subject + "not valid JSON: " + e.getOriginalMessage());
        } catch (CharConversionException e) {
            // three zeros announce UTF-32, for whose errors the parser has this type
            throw new MalformedFileException(spot, subject + "not valid UTF-32: " + e.getMessage());
        }
    }
}
