package graft.hub.testing;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;

import java.io.IOException;
import java.net.URI;
import java.util.ArrayList;
import java.util.List;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.UUID;

/** The LFS batch protocol with the Hub's own multipart transfer. */
final class LfsRoutes {
    private static final int MOST_PARTS = 10_000; // S3's limit

    private final FakeHub hub;
    private final long multipartAboveBytes;
    private final long chunkBytes;

    LfsRoutes(FakeHub hub, FakeHub.Options options) {
        this.hub = hub;
        multipartAboveBytes = options.multipartAboveBytes;
        chunkBytes = options.chunkBytes;
    }

    Response batch(Request request, HubRoutes.Place place) throws IOException, HubError {
        place.access().mustWrite();
        JsonNode asked = request.json();
        if (!asked.path("operation").asText().equals("upload")) {
            throw HubError.badRequest("only the operation \"upload\" is served");
        }
        boolean parts = false;
        for (JsonNode transfer : asked.path("transfers")) {
            parts |= transfer.asText().equals("multipart");
        }
        ObjectNode answer = InfoRoutes.object().put("transfer", parts ? "multipart" : "basic");
        ArrayNode objects = answer.putArray("objects");
        for (JsonNode object : asked.path("objects")) {
            String oid = object.path("oid").asText();
            long size = object.path("size").asLong(-1);
            ObjectNode node = objects.addObject().put("oid", oid).put("size", size);
            if (!oid.matches("[0-9a-f]{64}") || size < 1) {
                node.putObject("error").put("code", 422).put("message", "oid or size is not valid");
            } else if (!hub.lfs().has(oid, size)) {
                actions(node.putObject("actions"), place.repo(), oid, size, parts);
            }
        }
        return Response.json(answer).header("Content-Type", "application/vnd.git-lfs+json");
    }

    private void actions(ObjectNode actions, FakeRepo repo, String oid, long size, boolean parts) {
        String id = UUID.randomUUID().toString();
        ObjectNode upload = actions.putObject("upload");
        if (parts && size > multipartAboveBytes) {
            String complete = "/%s.git/info/lfs/complete/%s".formatted(repo.id(), id);
            upload.put("href", sign(hub.endpoint(), "POST", complete));
            ObjectNode header = upload.putObject("header");
            header.put("chunk_size", Long.toString(chunkBytes));
            long count = Math.min(MOST_PARTS, Math.ceilDiv(size, chunkBytes));
            for (long part = 1; part <= count; part++) {
                String path = "/upload/%s/%s/%d".formatted(oid, id, part);
                header.put("%05d".formatted(part), sign(hub.cdn(), "PUT", path));
            }
        } else {
            upload.put("href", sign(hub.cdn(), "PUT", "/upload/" + oid));
        }
        actions.putObject("verify")
                .put("href", "%s/%s.git/info/lfs/verify".formatted(hub.endpoint(), repo.id()));
    }

    private String sign(URI origin, String verb, String path) {
        return hub.signatures().sign(origin, verb, path, "").toString();
    }

    /** Ends a multipart upload. Signed, so no token is needed. */
    Response complete(Request request, String upload) throws IOException, HubError {
        String rawPath = request.call().target().replaceFirst("\\?.*", "");
        if (!hub.signatures().allows("POST", rawPath, request.query())) {
            throw new HubError(403, "", "The signature is not valid or has expired");
        }
        JsonNode asked = request.json();
        SortedMap<Integer, String> etags = new TreeMap<>();
        for (JsonNode part : asked.path("parts")) {
            etags.put(part.path("partNumber").asInt(), part.path("etag").asText());
        }
        List<String> inOrder = new ArrayList<>(etags.values());
        boolean gapless = !etags.isEmpty() && etags.lastKey() == etags.size();
        String oid = asked.path("oid").asText();
        if (!gapless || !hub.lfs().complete(upload, oid, inOrder)) {
            throw HubError.badRequest("parts are missing or differ from what was uploaded");
        }
        return Response.json(InfoRoutes.object().put("oid", oid));
    }

    Response verify(Request request, HubRoutes.Place place) throws IOException, HubError {
        place.access().mustWrite();
        JsonNode asked = request.json();
        if (!hub.lfs().has(asked.path("oid").asText(), asked.path("size").asLong(-1))) {
            throw new HubError(404, "", "The object was not uploaded");
        }
        return Response.json(InfoRoutes.object());
    }
}
