package graft.hub.cache;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;

import graft.hub.HubFile;
import graft.hub.SafePath;
import graft.hub.http.Json;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;

/**
 * {@code trees/{commit}.json}: {@code {"format_version": 1, "files": {path: {size, blob_id,
 * lfs_sha256?, lfs_size?, xet_hash?}}}}.
 */
final class Tree {
    private static final int VERSION = 1;
    private static final long MAX_BYTES = 1 << 28;

    private Tree() {}

    /** Empty if there is none, or it cannot be used: then nothing is lost but a saved request. */
    static Optional<List<HubFile>> read(Path path) throws IOException {
        if (!Files.isRegularFile(path) || Files.size(path) > MAX_BYTES) {
            return Optional.empty();
        }
        try {
            JsonNode tree = Json.MAPPER.readTree(Files.readAllBytes(path));
            if (tree == null || tree.path("format_version").asInt() != VERSION) {
                return Optional.empty();
            }
            List<HubFile> files = new ArrayList<>();
            for (var entry : tree.path("files").properties()) {
                Optional<HubFile> file = file(entry.getKey(), entry.getValue());
                if (file.isEmpty()) {
                    return Optional.empty();
                }
                files.add(file.get());
            }
            files.sort(Comparator.comparing(HubFile::path));
            return Optional.of(files);
        } catch (JsonProcessingException e) {
            return Optional.empty();
        }
    }

    private static Optional<HubFile> file(String path, JsonNode node) {
        Optional<String> blobId = Json.gitId(node, "blob_id");
        Optional<String> sha256 = Json.sha256(node, "lfs_sha256");
        long size = node.path("lfs_size").asLong(node.path("size").asLong(-1));
        if (SafePath.problem(path).isPresent() || size < 0 || blobId.or(() -> sha256).isEmpty()) {
            return Optional.empty();
        }
        return Optional.of(new HubFile(path, size, blobId, sha256, Json.sha256(node, "xet_hash")));
    }

    static String json(List<HubFile> files) {
        ObjectNode tree = Json.MAPPER.createObjectNode();
        tree.put("format_version", VERSION);
        ObjectNode all = tree.putObject("files");
        for (HubFile file : files) {
            ObjectNode one = all.putObject(file.path());
            one.put("size", file.bytes());
            file.blobId().ifPresent(id -> one.put("blob_id", id));
            file.sha256()
                    .ifPresent(sha -> one.put("lfs_sha256", sha).put("lfs_size", file.bytes()));
            file.xetHash().ifPresent(hash -> one.put("xet_hash", hash));
        }
        return tree.toString();
    }
}
