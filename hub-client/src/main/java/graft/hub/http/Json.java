package graft.hub.http;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.StreamReadConstraints;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;

import graft.hub.HubException;

import okhttp3.MediaType;
import okhttp3.RequestBody;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.Optional;
import java.util.regex.Pattern;

/** JSON that a server or a cache holds, with limits on depth, names and strings, or is sent. */
public final class Json {
    /** Shared: a mapper is safe from any thread once it is set up. */
    public static final ObjectMapper MAPPER =
            new ObjectMapper(
                    JsonFactory.builder()
                            .streamReadConstraints(
                                    StreamReadConstraints.builder()
                                            .maxNestingDepth(64)
                                            .maxStringLength(1 << 20)
                                            .maxNameLength(1 << 13)
                                            .build())
                            .build());

    static final Pattern SHA256 = Pattern.compile("[0-9a-f]{64}");
    private static final Pattern GIT_ID = Pattern.compile("[0-9a-f]{40}");
    private static final MediaType JSON = MediaType.get("application/json");

    private Json() {}

    /** The git object id that {@code node} has at {@code name}; empty if it is none. */
    public static Optional<String> gitId(JsonNode node, String name) {
        return text(node, name, GIT_ID);
    }

    /** The SHA-256 that {@code node} has at {@code name}, in hex digits; empty if it is none. */
    public static Optional<String> sha256(JsonNode node, String name) {
        return text(node, name, SHA256);
    }

    private static Optional<String> text(JsonNode node, String name, Pattern form) {
        return Optional.of(node.path(name).asText("")).filter(t -> form.matcher(t).matches());
    }

    /** What to send. */
    public static RequestBody body(JsonNode json) {
        return body(JSON, json);
    }

    /** What to send where the server wants a JSON type of its own. */
    public static RequestBody body(MediaType type, JsonNode json) {
        return RequestBody.create(json.toString().getBytes(StandardCharsets.UTF_8), type);
    }

    /**
     * @throws HubException.Corrupted if the body is no JSON
     */
    public static JsonNode parse(Answer answer) throws IOException {
        try {
            JsonNode node = MAPPER.readTree(answer.bytes());
            if (node != null && !node.isMissingNode()) {
                return node;
            }
        } catch (JsonProcessingException e) {
            // told below: the text of the error would quote the body
        }
        throw new HubException.Corrupted(
                answer.ask().what() + ": the server's answer is not JSON",
                "check HF_ENDPOINT and any proxy in between");
    }
}
