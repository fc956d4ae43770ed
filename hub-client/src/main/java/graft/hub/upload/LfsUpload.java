package graft.hub.upload;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;

import graft.hub.HubEvent;
import graft.hub.HubException;
import graft.hub.HubListener;
import graft.hub.RepoRef;
import graft.hub.http.Answer;
import graft.hub.http.Ask;
import graft.hub.http.Json;
import graft.hub.http.Wire;

import okhttp3.HttpUrl;
import okhttp3.MediaType;

import java.io.IOException;
import java.util.HashMap;
import java.util.Map;
import java.util.TreeMap;

/** Content by git-lfs's batch protocol, with the Hub's multipart extension. */
final class LfsUpload {
    private static final MediaType LFS = MediaType.get("application/vnd.git-lfs+json");
    private static final int MAX_PARTS = 10_000;

    private final Wire wire;
    private final HubListener listener;
    private final RepoRef repo;

    LfsUpload(Wire wire, HubListener listener, RepoRef repo) {
        this.wire = wire;
        this.listener = listener;
        this.repo = repo;
    }

    /** Sends an object where {@code instruction} says; returns the bytes that moved. */
    long send(LocalFile file, String sha256, JsonNode instruction) throws IOException {
        String what = repo.id() + ": " + file.path();
        if (instruction.has("error")) {
            throw new HubException.Conflict(
                    "%s: the Hub does not take it (code %d)"
                            .formatted(what, instruction.path("error").path("code").asInt()),
                    "see the limits of the repository on the Hub");
        }
        JsonNode actions = instruction.path("actions");
        JsonNode upload = actions.path("upload");
        if (!upload.isObject()) {
            return 0; // the Hub has this content
        }
        listener.on(new HubEvent.Started(file.path(), file.bytes(), 0));
        JsonNode header = upload.path("header");
        if (header.has("chunk_size")) {
            multipart(what, file, sha256, upload);
        } else {
            put(what, address(what, upload.path("href")), header, file, 0, file.bytes()).close();
        }
        JsonNode verify = actions.path("verify");
        if (verify.isObject()) {
            HttpUrl url = address(what, verify.path("href"));
            wire.send(Ask.post(what, url, Json.body(identity(file, sha256)))).close();
        }
        listener.on(new HubEvent.Finished(file.path(), file.bytes()));
        return file.bytes();
    }

    /**
     * Asks where objects go, in one request.
     *
     * @param files of distinct content, with their SHA-256
     * @return what the Hub says of each, by SHA-256
     */
    Map<String, JsonNode> batch(Map<LocalFile, String> files) throws IOException {
        ObjectNode batch = Json.MAPPER.createObjectNode();
        batch.put("operation", "upload");
        batch.putArray("transfers").add("basic").add("multipart");
        ArrayNode objects = batch.putArray("objects");
        files.forEach((file, sha256) -> objects.add(identity(file, sha256)));
        batch.put("hash_algo", "sha256");
        batch.putObject("ref").put("name", repo.revisionOrMain());
        HttpUrl url =
                wire.endpoint()
                        .addPathSegment(repo.owner())
                        .addPathSegment(repo.name() + ".git")
                        .addPathSegments("info/lfs/objects/batch")
                        .build();
        String what = repo.id() + ": upload of %d files".formatted(files.size());
        Ask ask =
                Ask.post(what, url, Json.body(LFS, batch))
                        .with("Accept", "application/vnd.git-lfs+json");
        Map<String, JsonNode> instructions = new HashMap<>();
        try (Answer answer = wire.send(ask)) {
            for (JsonNode object : Json.parse(answer).path("objects")) {
                instructions.put(object.path("oid").asText(), object);
            }
        }
        for (var file : files.entrySet()) {
            if (!instructions.containsKey(file.getValue())) {
                throw broken(what, "leaves out " + file.getKey().path());
            }
        }
        return instructions;
    }

    private static ObjectNode identity(LocalFile file, String sha256) {
        return Json.MAPPER.createObjectNode().put("oid", sha256).put("size", file.bytes());
    }

    private void multipart(String what, LocalFile file, String sha256, JsonNode upload)
            throws IOException {
        long chunk = upload.path("header").path("chunk_size").asLong(-1);
        var parts = new TreeMap<Integer, HttpUrl>();
        for (var entry : upload.path("header").properties()) {
            if (entry.getKey().matches("\\d{1,6}")) {
                parts.put(Integer.parseInt(entry.getKey()), address(what, entry.getValue()));
            }
        }
        boolean consistent =
                chunk > 0
                        && parts.size() == Math.ceilDiv(file.bytes(), chunk)
                        && parts.size() <= MAX_PARTS
                        && parts.firstKey() == 1
                        && parts.lastKey() == parts.size();
        if (!consistent) {
            throw broken(what, "has %d parts of %d bytes".formatted(parts.size(), chunk));
        }
        ObjectNode done = Json.MAPPER.createObjectNode().put("oid", sha256);
        ArrayNode list = done.putArray("parts");
        for (var part : parts.entrySet()) {
            long offset = (part.getKey() - 1) * chunk;
            long length = Math.min(chunk, file.bytes() - offset);
            JsonNode none = Json.MAPPER.createObjectNode();
            try (Answer answer = put(what, part.getValue(), none, file, offset, length)) {
                String etag =
                        answer.header("ETag")
                                .orElseThrow(() -> broken(what, "of a part has no ETag"));
                list.addObject().put("partNumber", part.getKey()).put("etag", etag);
            }
        }
        HttpUrl finish = address(what, upload.path("href"));
        wire.send(Ask.signed(what, "POST", finish, Json.body(done))).close();
    }

    private Answer put(
            String what, HttpUrl url, JsonNode headers, LocalFile file, long offset, long length)
            throws IOException {
        Ask ask = Ask.signed(what, "PUT", url, new FileBody(file, offset, length, listener));
        for (var entry : headers.properties()) {
            ask = ask.with(entry.getKey(), entry.getValue().asText());
        }
        return wire.send(ask);
    }

    /** What the Hub names must be as safe as the Hub itself. */
    private HttpUrl address(String what, JsonNode href) throws HubException {
        HttpUrl url = wire.endpoint().build().resolve(href.asText(""));
        if (!href.isTextual() || url == null) {
            throw broken(what, "has no address");
        }
        if (wire.endpoint().build().isHttps() && !url.isHttps()) {
            throw broken(what, "leads from https to http");
        }
        return url;
    }

    private static HubException broken(String what, String problem) {
        return new HubException.Corrupted(
                "%s: the server's upload instruction %s".formatted(what, problem),
                "nothing was committed; check HF_ENDPOINT");
    }
}
