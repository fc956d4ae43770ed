package graft.hub.testing;

import java.io.IOException;
import java.util.List;

/** The second origin: large files by signed URL, down and up. A Hub token has no business here. */
final class CdnRoutes {
    private final LfsStore lfs;
    private final Signatures signatures;

    CdnRoutes(LfsStore lfs, Signatures signatures) {
        this.lfs = lfs;
        this.signatures = signatures;
    }

    Response handle(Request request) throws IOException {
        if (request.header("Authorization") != null) {
            // S3's answer to a signed URL with a token beside it.
            return xml(400, "InvalidArgument", "Only one auth mechanism allowed");
        }
        String rawPath = request.call().target().replaceFirst("\\?.*", "");
        String verb = request.reads() ? "GET" : request.method();
        if (!signatures.allows(verb, rawPath, request.query())) {
            return xml(403, "AccessDenied", "Request has expired");
        }
        List<String> path = request.path();
        return switch (verb) {
            case "GET" -> get(request, path.getLast());
            case "PUT" -> put(request, path);
            default -> xml(405, "MethodNotAllowed", request.method());
        };
    }

    private Response get(Request request, String sha256) throws IOException {
        // The CDN's ETag is its own, not the file's sha256.
        String etag = "\"cdn-%s\"".formatted(sha256.substring(0, 16));
        return Response.ranged(request, Response.Body.of(lfs.file(sha256)), etag)
                .header("Content-Type", "binary/octet-stream");
    }

    /** {@code upload/<sha256>} or {@code upload/<sha256>/<upload>/<part>}. */
    private Response put(Request request, List<String> path) throws IOException {
        if (path.size() == 4) {
            int part = Integer.parseInt(path.get(3));
            return Response.of(200).header("ETag", lfs.putPart(path.get(2), part, request.body()));
        }
        return lfs.put(path.get(1), request.body())
                ? Response.of(200)
                : xml(400, "BadDigest", "The sha256 of the body is not the one promised");
    }

    private static Response xml(int status, String code, String message) {
        return Response.text(
                        status,
                        "<Error><Code>%s</Code><Message>%s</Message></Error>"
                                .formatted(code, message))
                .header("Content-Type", "application/xml");
    }
}
