package graft.hub.http;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.StreamReadConstraints;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;

import graft.hub.HubException;

import java.io.IOException;

/** JSON that a server or a cache holds, with limits on depth, names and strings. */
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

    private Json() {}

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
