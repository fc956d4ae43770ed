package graft.convert.plan;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.Optional;

/**
 * What of a plan is done: a small JSON document per finished item, in a folder, each appearing by
 * rename. A run that was killed looks here for what it need not do again. Safe from any thread, one
 * per item.
 */
public final class Journal {
    private static final ObjectMapper JSON = new ObjectMapper();

    private final Path folder;

    /**
     * @param folder is created if it is not there
     */
    public Journal(Path folder) throws IOException {
        this.folder = Files.createDirectories(folder);
    }

    /**
     * A file of item {@code key} that becomes valid when the item is {@linkplain #record recorded}.
     */
    public Path file(String key) {
        return folder.resolve(key + ".part");
    }

    /** What was recorded of item {@code key}; empty if it is still to do. */
    public Optional<JsonNode> find(String key) throws IOException {
        Path entry = entry(key);
        if (!Files.exists(entry)) {
            return Optional.empty();
        }
        try {
            return Optional.of(JSON.readTree(entry.toFile()));
        } catch (JsonProcessingException e) {
            return Optional.empty(); // the disk lost it: do the item again
        }
    }

    /** Item {@code key} is done. */
    public void record(String key, JsonNode document) throws IOException {
        Path temporary = folder.resolve(key + ".tmp");
        Files.write(temporary, JSON.writeValueAsBytes(document));
        Files.move(
                temporary,
                entry(key),
                StandardCopyOption.ATOMIC_MOVE,
                StandardCopyOption.REPLACE_EXISTING);
    }

    private Path entry(String key) {
        return folder.resolve(key + ".json");
    }
}
