package graft.formats;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;

import java.io.IOException;
import java.nio.file.Path;

/** The repository's {@code testdata} folder. */
public final class Testdata {
    private static final ObjectMapper JSON = new ObjectMapper();

    private Testdata() {}

    public static Path path(String relative) {
        return Path.of(System.getProperty("graft.testdata")).resolve(relative);
    }

    public static JsonNode json(String relative) throws IOException {
        return JSON.readTree(path(relative).toFile());
    }
}
